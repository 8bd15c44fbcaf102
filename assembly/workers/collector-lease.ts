// Which sidecar collects the traffic reports of all Envoys (docs/explanation/shared-counts.md). A collector's polls renew its lease,
// which each Envoy keeps for itself. The other sidecars poll their own Envoys only, and learn from the lease whether a collector is alive.
//   pilotfish.collector   Lease
// A sidecar that knows more Envoys takes the lease, and of two that know equally many the one with the lower id.
import { EXCHANGE_SPACING_MICROSECONDS } from "../../protocol/constants";
import { bytesOf } from "../base/bytes";
import { beginChange, readShared } from "./shared-data";

@unmanaged
class Lease {
  /** Random id of the collector, never 0. */
  collector: u32 = 0;
  /** Number of Envoys that the collector knows. */
  envoys: u32 = 0;
  /** When the lease ends, ns. */
  until: u64 = 0;
}

const KEY = bytesOf("pilotfish.collector");
const BYTES: u32 = offsetof<Lease>();
/** A lease that ends later than this, ns from now, was given before the clock was set back, and counts as ended. */
const LONGEST: u64 = 10000000000;
/** How late a collector's poll may be, ns, beside twice the time between its polls. */
const GRACE: u64 = 250000000;
/** How late it may be after a poll that its sidecar gave up, ns. Mostly the sidecar's process has ended. */
const GIVEN_UP_GRACE: u64 = 40000000;
const next: usize = memory.data(BYTES, 8);

/** Returns the id of the sidecar that has the lease at `now`, ns; 0: none. */
export function collectorAt(now: u64): u32 {
  const value = readShared(KEY);
  return holder(value.pointer, value.length, now);
}

/**
 * Takes or renews the lease for a sidecar that knows `envoys` Envoys, if it may, until its poll of `wait` ns may be followed by the next.
 * Returns the id of the sidecar that has the lease then.
 */
export function claimLease(collector: u32, envoys: u32, now: u64, wait: u64): u32 {
  let holds = collector;
  const change = beginChange(KEY);
  while (change.next()) {
    holds = holder(change.pointer, change.length, now);
    if (holds != 0 && holds != collector) {
      const known = changetype<Lease>(change.pointer).envoys;
      if (envoys < known || (envoys == known && collector > holds)) break;
    }
    holds = collector;
    write(collector, envoys, now + wait + graceFor(envoys));
    change.write(next, BYTES);
  }
  return holds;
}

/**
 * Lets the lease of this sidecar end when its next poll is overdue. `givenUp`: the sidecar ended its poll before the answer. Does nothing if
 * another sidecar has the lease.
 */
export function endLease(collector: u32, now: u64, givenUp: bool): void {
  const change = beginChange(KEY);
  while (change.next()) {
    if (holder(change.pointer, change.length, now) != collector) break;
    const envoys = changetype<Lease>(change.pointer).envoys;
    write(collector, envoys, now + (givenUp ? GIVEN_UP_GRACE : graceFor(envoys)));
    change.write(next, BYTES);
  }
}

/** How long a collector of so many Envoys may be without a poll here, ns. */
function graceFor(envoys: u32): u64 {
  return GRACE + <u64>envoys * 2 * EXCHANGE_SPACING_MICROSECONDS * 1000;
}

function write(collector: u32, envoys: u32, until: u64): void {
  const lease = changetype<Lease>(next);
  lease.collector = collector;
  lease.envoys = envoys;
  lease.until = until;
}

function holder(pointer: usize, length: u32, now: u64): u32 {
  if (length != BYTES) return 0;
  const lease = changetype<Lease>(pointer);
  return lease.until > now && lease.until - now < LONGEST ? lease.collector : 0;
}
