// Endpoints that fail, learnt from the traffic itself, and endpoints that are new.
//
//   ejection   `failures` failed answers in a row eject an endpoint: for `base` the first time, twice as long each further
//              time, for `max` at most. An endpoint that then serves FORGIVEN times as long as it was out begins anew
//   return     its weight rises from MIN_WEIGHT to 1 over the time it was out, over MAX_RETURN at most
//   slow start the same for an endpoint that becomes usable, over `slowStart`. The first snapshot's endpoints have their
//              whole weight at once
//   panic      ejections do not count for a model when fewer than half of its usable endpoints would be left
//              (pick/candidates.ts): then all of them fail, or the network does, and the rest could not carry the load
//
// A weight divides a cost: an endpoint of weight 0.1 with one request is as busy as one with ten. So a cold endpoint is tried at
// once, and gets its share as its weight grows.
import { SnapshotView } from "../snapshot/view";
import { forgetPrefixes } from "./cache/prefix-index";
import { forgetPrompts } from "./cache/running-prompts";
import { entryOf } from "./entries";
import { Entry } from "./entry";

/** When failed answers eject an endpoint, and for how long (`pick.ejection`). */
@unmanaged
export class EjectionLimits {
  /** Failed answers in a row; 0: no number of them ejects. */
  failures: u32 = 0;
  /** Milliseconds of the first ejection, and of the longest. */
  base: u32 = 0;
  max: u32 = 0;
}

const MIN_WEIGHT: f64 = 0.1;
/** Milliseconds. */
const MAX_RETURN: u64 = 10000;
/** Nanoseconds. */
const MILLISECOND: u64 = 1000000;
/** An endpoint that was gone for longer, ns, came back with an empty cache. */
const RESTART: u64 = 5000 * MILLISECOND;
/** An endpoint that serves this many times as long as it was out is as good as one that was never ejected. */
const FORGIVEN: u64 = 8;

/** Until then some endpoint is ejected or not at full weight. After that nothing has to be looked at. */
let troubledUntil: u64 = 0;
/** Milliseconds; 0: at once. */
let slowStart: u64 = 10000;
let followed: bool = false;

/** For all configurations of the VM. */
export function setSlowStart(milliseconds: u32): void {
  slowStart = milliseconds;
}

export function anyTrouble(now: u64): bool {
  return now < troubledUntil;
}

export function isEjected(entry: Entry, now: u64): bool {
  return now < entry.health.ejectedUntil;
}

/** Milliseconds of an endpoint's `level`-th ejection in a row, the first being 1. */
function ejectionTime(limits: EjectionLimits, level: u32): u32 {
  const doubled = (<u64>limits.base) << min<u32>(level - 1, 31);
  return <u32>min<u64>(doubled, limits.max);
}

/** An answer, or the lack of one, was the endpoint's fault. True: that was one failure too many, it is ejected from now on. */
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

/** As decided here or by another worker. `until`: ns; `level`: ejections in a row. */
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

/** The share of its full work that an endpoint gets, MIN_WEIGHT to 1. */
export function weightOf(entry: Entry, now: u64): f64 {
  const length = <u64>entry.health.rampMilliseconds * MILLISECOND;
  if (now >= entry.health.rampFrom + length) return 1;
  const passed = now > entry.health.rampFrom ? now - entry.health.rampFrom : 0;
  return MIN_WEIGHT + ((1 - MIN_WEIGHT) * <f64>passed) / <f64>length;
}

/** After a new snapshot: endpoints that became usable start slowly, and those that were gone for long have an empty cache. */
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
