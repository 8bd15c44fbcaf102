// Requests that other Envoys sent to the same endpoints, as the sidecars tell (sections REMOTE and PREFIXES).
//   remote        in flight there when their filters last said so; remoteSettled: of these, those that had lived through a tick
//   said          what this Envoy had in flight when REMOTE last came; saidBefore: when it came the time before
// What others said is about as old as the last but one push to here, so what this Envoy sent since `saidBefore` is taken to
// be what each of them sent too, as among workers (in-flight.ts): a burst comes to all Envoys at once. It counts for
// MAX_GUESSED of them at most, because what happens by chance at one of many does not happen at all.
// Bound: ARCHITECTURE.md, "What Envoys share". A sidecar that falls silent is believed for REMOTE_SILENT.
import { REMOTE_LASTED, REMOTE_PENDING, REMOTE_REQUESTS, REMOTE_SENT } from "../../protocol/constants";
import { prefixNumber } from "../snapshot/verify-traffic";
import { SnapshotView } from "../snapshot/view";
import { receivePrefixes } from "./cache/prefix-index";
import { Entry, endpointCount, entryOf } from "./entries";

export const REMOTE_SILENT: u64 = 2000;
const MAX_GUESSED: i32 = 4;
/** Pushes closer together than this, ns, bring no newer counts. */
const MIN_NEWER: u64 = 40000000;
const SOURCES: u32 = 4;

let envoys: i32 = 0;
let total: u64 = 0;
let newerAt: u64 = 0;

/** A snapshot came at `now`, ns: whether its counts are newer than those of the last one. After it, receiveRemote() for each endpoint. */
export function beginRemote(view: SnapshotView, now: u64): bool {
  total = 0;
  envoys = view.remote ? min(<i32>view.envoys, MAX_GUESSED) : 0;
  if (now > newerAt && now - newerAt < MIN_NEWER) return false;
  newerAt = now;
  return true;
}

/** `local`: what this Envoy has in flight there, see in-flight.ts. */
export function receiveRemote(view: SnapshotView, endpoint: u32, local: i32, newer: bool): void {
  const entry = entryOf(endpoint);
  if (newer) {
    entry.saidBefore = entry.said;
    entry.said = local;
    entry.saidSentBefore = entry.saidSent;
    entry.saidSent = entry.sent + entry.workersSent;
  }
  if (!view.remote) return forget(entry);
  const record = view.remote + endpoint * view.remoteStride;
  entry.remote = load<i32>(record, REMOTE_REQUESTS);
  total += entry.remote;
  entry.remoteSettled = load<i32>(record, REMOTE_LASTED);
  entry.remotePending = load<i32>(record, REMOTE_PENDING);
  entry.remoteSent = load<i32>(record, REMOTE_SENT);
}

/** No sidecar tells of other Envoys any more. */
export function forgetRemote(): void {
  if (envoys == 0) return;
  envoys = 0;
  total = 0;
  for (let i: u32 = 0; i < endpointCount(); i++) forget(entryOf(i));
}

/** Requests in flight that other Envoys told. */
export function remoteTotal(): u64 {
  return total;
}

function forget(entry: Entry): void {
  entry.remote = 0;
  entry.remoteSettled = 0;
  entry.remotePending = 0;
  entry.remoteSent = 0;
}

/** Requests of other Envoys, with what they are likely to have sent meanwhile. */
export function remoteInFlightNow(entry: Entry, local: i32): i32 {
  return entry.remoteSettled + envoys * max(local - entry.saidBefore, 0);
}

/** Tokens that other Envoys are likely to have sent since they were heard of: as this one did, while its own wait. */
export function remoteTokensGuessed(entry: Entry): f32 {
  if (envoys == 0) return 0;
  const since = entry.sent + entry.workersSent - entry.saidSentBefore;
  return <f32>envoys * <f32>max(min(since, entry.pending + entry.workersPending), 0);
}

// ---- prefixes: a snapshot repeats the records of the last moments, each has its number ------------------------------------

/** u64 source, u64 highest number heard, of the sidecars that were heard last. */
const heard: usize = memory.data(64, 8);
let nextSource: u32 = 0;

export function followPrefixes(view: SnapshotView): void {
  if (!view.prefixes || view.prefixWords == 0) return;
  const known = heardOf(view.source);
  let highest = load<u64>(known, 8);
  const end = view.prefixes + view.prefixWords * 8;
  for (let at = view.prefixes; at < end; ) {
    const number = prefixNumber(at);
    const next = receivePrefixes(at, end, number > load<u64>(known, 8));
    if (!next) break;
    highest = max(highest, number);
    at = next;
  }
  store<u64>(known, highest, 8);
}

function heardOf(source: u64): usize {
  for (let i: u32 = 0; i < SOURCES; i++) if (load<u64>(heard + i * 16) == source) return heard + i * 16;
  const known = heard + (nextSource++ % SOURCES) * 16;
  store<u64>(known, source);
  store<u64>(known, 0, 8);
  return known;
}
