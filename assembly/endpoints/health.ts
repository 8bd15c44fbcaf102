// Endpoints that fail, as the traffic shows, and endpoints that are new.
//
//   ejection   `failures` failed responses in a row eject an endpoint: the first time for `base`, each further time for twice
//              as long, at most for `max`. After FORGIVEN times the ejection's length in service, the endpoint begins anew
//   return     after an ejection the endpoint's weight rises from MIN_WEIGHT to 1 within the ejection's length, at most
//              within MAX_RETURN
//   slow start the weight of an endpoint that becomes usable rises in the same way within `slowStart`. The endpoints of the
//              first snapshot have the weight 1 at once
//   panic      a model's ejections do not count if they would leave fewer than half of its usable endpoints
//              (pick/candidates.ts): then every endpoint or the network fails, and the rest could not carry the load
//
// A weight divides a cost: an endpoint of weight 0.1 with one request counts as busy as an endpoint of weight 1 with ten. So a
// cold endpoint is tried at once, and gets its full share as its weight grows.
import { SnapshotView } from "../snapshot/view";
import { forgetPrefixes } from "./cache/prefix-index";
import { forgetPrompts } from "./cache/running-prompts";
import { entryOf } from "./entries";
import { Entry } from "./entry";

/** When failed responses eject an endpoint, and for how long (`pick.ejection`). */
@unmanaged
export class EjectionLimits {
  /** Failed responses in a row that eject an endpoint; 0: failures never eject. */
  failures: u32 = 0;
  /** Milliseconds of the first ejection, and of the longest. */
  base: u32 = 0;
  max: u32 = 0;
}

const MIN_WEIGHT: f64 = 0.1;
/** Milliseconds within which an endpoint's weight returns to 1, at most. */
const MAX_RETURN: u64 = 10000;
/** A millisecond in nanoseconds. */
const MILLISECOND: u64 = 1000000;
/** An endpoint that was gone for longer than this, ns, is assumed to come back with an empty cache. */
const RESTART: u64 = 5000 * MILLISECOND;
/** An endpoint that serves this many times as long as its ejection lasted counts as never ejected. */
const FORGIVEN: u64 = 8;

/** Until this instant, ns, some endpoint is ejected or below full weight. Later no endpoint has to be checked. */
let troubledUntil: u64 = 0;
/** Milliseconds of a slow start; 0: new endpoints have the weight 1 at once. */
let slowStart: u64 = 10000;
let followed: bool = false;

/** Sets the length of slow starts for all configurations of the VM. */
export function setSlowStart(milliseconds: u32): void {
  slowStart = milliseconds;
}

export function anyTrouble(now: u64): bool {
  return now < troubledUntil;
}

export function isEjected(entry: Entry, now: u64): bool {
  return now < entry.health.ejectedUntil;
}

/** Milliseconds of an endpoint's `level`-th ejection in a row; the first ejection has level 1. */
function ejectionTime(limits: EjectionLimits, level: u32): u32 {
  const doubled = (<u64>limits.base) << min<u32>(level - 1, 31);
  return <u32>min<u64>(doubled, limits.max);
}

/** Records that a response failed, or none came, by the endpoint's fault. True: the endpoint is ejected from now on. */
export function endpointFailed(entry: Entry, limits: EjectionLimits, now: u64): bool {
  if (limits.failures == 0 || isEjected(entry, now)) return false;
  if (++entry.health.failures < limits.failures) return false;
  entry.health.failures = 0;
  const wasOut = <u64>entry.health.ejectionMilliseconds * MILLISECOND;
  const level = now > entry.health.ejectedUntil + FORGIVEN * wasOut ? 1 : entry.health.ejections + 1;
  eject(entry, now + <u64>ejectionTime(limits, level) * MILLISECOND, ejectionTime(limits, level), level);
  return true;
}

export function endpointServed(entry: Entry): void {
  entry.health.failures = 0;
}

/** Applies an ejection that this worker or another decided. `until`: ns; `level`: ejections in a row. */
export function eject(entry: Entry, until: u64, milliseconds: u32, level: u32): void {
  entry.health.ejectedUntil = until;
  entry.health.ejectionMilliseconds = milliseconds;
  entry.health.ejections = level;
  beginRamp(entry, until, min<u64>(milliseconds, MAX_RETURN));
}

function beginRamp(entry: Entry, from: u64, milliseconds: u64): void {
  entry.health.rampFrom = from;
  entry.health.rampMilliseconds = <u32>milliseconds;
  troubledUntil = max(troubledUntil, from + milliseconds * MILLISECOND);
}

/** The endpoint's weight: the share of its full work that it gets, MIN_WEIGHT to 1. */
export function weightOf(entry: Entry, now: u64): f64 {
  const length = <u64>entry.health.rampMilliseconds * MILLISECOND;
  if (now >= entry.health.rampFrom + length) return 1;
  const passed = now > entry.health.rampFrom ? now - entry.health.rampFrom : 0;
  return MIN_WEIGHT + ((1 - MIN_WEIGHT) * <f64>passed) / <f64>length;
}

/** Follows a new snapshot: endpoints that became usable start slowly; endpoints that were gone for long lose their blocks. */
export function followUsable(view: SnapshotView, now: u64): void {
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    const entry = entryOf(i);
    const usable = view.usable(i);
    if (usable && !entry.health.usable && followed) {
      if (slowStart) beginRamp(entry, now, slowStart);
      if (now > entry.health.goneAt + RESTART) {
        forgetPrefixes(entry);
        forgetPrompts(entry);
      }
    }
    if (!usable && entry.health.usable) entry.health.goneAt = now;
    entry.health.usable = usable;
  }
  if (view.endpointCount) followed = true;
}
