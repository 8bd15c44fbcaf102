// Pods that fail, learnt from the traffic itself, and pods that are new.
//
//   ejection   `failures` answers in a row that were its fault take a pod out: for `base` the first time, twice as long each
//              further time, `most` at last. One that then serves eight times as long as it was out begins anew.
//   return     its weight rises from MIN_WEIGHT to 1 over the time it was out, SLOWEST_RETURN at most
//   slow start the same for a pod that becomes usable, over `slowStart`; those of the first snapshot are no news
//   panic      ejections count for nothing in a model when fewer than half of its usable pods would be left: then all of
//              them fail, or it is the network, and the rest could not carry the load
//
// A weight divides a cost: a pod of weight 0.1 with one request is as busy as one with ten. So a cold pod is tried at once,
// and gets its share as its weight grows.

import { candidateCost, candidateCount, candidateLink, setCandidateCost } from "../pick/candidates";
import { KIND_SCORERS, Profile } from "../pick/profile";
import { SnapshotView } from "../snapshot/view";
import { forgetPrefixes } from "./cache/prefix-index";
import { forgetPrompts } from "./cache/running-prompts";
import { Entry, entryOf } from "./entries";

const MIN_WEIGHT: f64 = 0.1;
const SLOWEST_RETURN: u64 = 10000;
const MILLISECOND: u64 = 1000000;
/** A pod that was gone for longer came back with an empty cache. */
const RESTART: u64 = 5000 * MILLISECOND;
/** Times of its ejection that a pod must serve for to be as good as one that was never ejected. */
const FORGIVEN: u64 = 8;

/** Until then some pod is ejected or not at full weight: before that nothing has to be looked at. */
let troubledUntil: u64 = 0;
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
  return now < entry.ejectedUntil;
}

/** Milliseconds that a pod stays out at its `level`-th ejection in a row, the first being 1. */
export function ejectionTime(profile: Profile, level: u32): u32 {
  const doubled = (<u64>profile.ejectionBase) << min<u32>(level - 1, 31);
  return <u32>min<u64>(doubled, profile.ejectionMost);
}

/** An answer, or the lack of one, was the pod's fault. True: that was one too many, it is ejected from now on. */
export function podFailed(entry: Entry, profile: Profile, now: u64): bool {
  if (profile.failures == 0 || isEjected(entry, now)) return false;
  if (++entry.failures < profile.failures) return false;
  entry.failures = 0;
  const wasOut = <u64>entry.ejectionMilliseconds * MILLISECOND;
  const level = now > entry.ejectedUntil + FORGIVEN * wasOut ? 1 : entry.ejections + 1;
  eject(entry, now + <u64>ejectionTime(profile, level) * MILLISECOND, ejectionTime(profile, level), level);
  return true;
}

export function podServed(entry: Entry): void {
  entry.failures = 0;
}

/** As decided here or by another worker. */
export function eject(entry: Entry, until: u64, milliseconds: u32, level: u32): void {
  entry.ejectedUntil = until;
  entry.ejectionMilliseconds = milliseconds;
  entry.ejections = level;
  beginRamp(entry, until, min<u64>(milliseconds, SLOWEST_RETURN));
}

function beginRamp(entry: Entry, from: u64, milliseconds: u64): void {
  entry.rampFrom = from;
  entry.rampMilliseconds = <u32>milliseconds;
  troubledUntil = max(troubledUntil, from + milliseconds * MILLISECOND);
}

/** Share of its full work that a pod gets, MIN_WEIGHT to 1. */
export function weightOf(entry: Entry, now: u64): f64 {
  const length = <u64>entry.rampMilliseconds * MILLISECOND;
  if (now >= entry.rampFrom + length) return 1;
  const passed = now > entry.rampFrom ? now - entry.rampFrom : 0;
  return MIN_WEIGHT + ((1 - MIN_WEIGHT) * <f64>passed) / <f64>length;
}

/** After a new snapshot: pods that became usable start slowly, and those that were gone for long have an empty cache. */
export function followUsable(view: SnapshotView, now: u64): void {
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    const entry = entryOf(i);
    const usable = view.usable(i);
    if (usable && !entry.usable && followed) {
      if (slowStart) beginRamp(entry, now, slowStart);
      if (now > entry.goneAt + RESTART) {
        forgetPrefixes(entry);
        forgetPrompts(entry);
      }
    }
    if (!usable && entry.usable) entry.goneAt = now;
    entry.usable = usable;
  }
  if (view.endpointCount) followed = true;
}

/** Whether ejections count for a model: at least half of its usable pods are left. */
export function enoughLeft(view: SnapshotView, first: u32, served: u32, now: u64): bool {
  let usable: u32 = 0;
  let left: u32 = 0;
  for (let link = first; link < first + served; link++) {
    const endpoint = view.linkEndpoint(link);
    if (!view.usable(endpoint)) continue;
    usable++;
    if (!isEjected(entryOf(endpoint), now)) left++;
  }
  return left * 2 >= usable;
}

/** Puts the candidates' weights into their costs. */
export function weighCandidates(view: SnapshotView, profile: Profile, now: u64): void {
  for (let i: u32 = 0; i < candidateCount(); i++) {
    const weight = weightOf(entryOf(view.linkEndpoint(candidateLink(i))), now);
    if (weight == 1) continue;
    const cost = candidateCost(i);
    if (profile.kind == KIND_SCORERS) setCandidateCost(i, profile.best - (profile.best - cost) * weight);
    else setCandidateCost(i, cost / weight);
  }
}
