// The shared records: what all workers together have on each endpoint, changed at the moment of each pick, first byte and end.
//   pilotfish.load.G   RecordHeader, then a word for each endpoint of group G (endpoints/shared-record.ts)
// A group is GROUP endpoints that follow one another in the snapshot. A pick reads the records of its candidates' groups. A worker
// changes a word under compare-and-swap, and remembers its share of the word. So the others' part is the word less the own share.
//
// A pick is written at once. First bytes and ends may wait for the worker's next pick, because a read and a write cost a microsecond.
// They wait while they are less than a MIN_REQUESTS-th of the worker's requests in flight, and at most until the next tick. A record of
// many endpoints is read and written only at some picks. The other picks are written with the next of these, or on the tick.
//
// Epochs. A record begins anew, with a new random epoch and without any share, when the endpoints have changed or a worker died with
// its share in the record. Each worker that finds another epoch adds its whole share again, at its next change or tick. Until then
// the counts of that worker are missing, at most one tick (20 ms; an idle worker has no requests). So no error lasts. If two workers
// create a record at once, the second overwrites the first. The first worker then finds another epoch, and adds its share.
//
// A worker takes part while another worker is alive. A single worker neither reads nor writes a record. A worker whose change fails
// leaves the difference to the exchange on the tick (endpoints/other-workers.ts), and tries again on its next tick.

import { mix } from "../base/hash";
import { COMPARED_BYTES, sameBlock } from "../base/same-block";
import { endpointCount, entryOf, topologyChanges, topologyHash } from "../endpoints/entries";
import { Entry } from "../endpoints/entry";
import { ownInFlight } from "../endpoints/in-flight";
import {
  forgetShare,
  leaveRecord,
  receiveWord,
  shareWritten,
  wantedShare,
  workersBeside,
} from "../endpoints/other-workers";
import {
  addChange,
  changedEndpoint,
  changes,
  changesMade,
  dropChange,
  forgetChanges,
} from "../endpoints/unwritten-changes";
import { now as hostTime } from "../host/calls";
import { receivedAt } from "../snapshot/current";
import { NONE, SnapshotView } from "../snapshot/view";
import { count, SHARED_FAILED } from "../stats";
import {
  GROUP,
  groupAt,
  groupCount,
  HEADER,
  headerOf,
  RecordHeader,
  readRecord,
  resetGroups,
  wordsOf,
  writeRecord,
} from "./load-records";
import { OVERTAKEN, REPLACED, workerId } from "./shared-data";

/**
 * Most attempts at one change. In each round one of the workers that change a record at the same moment succeeds. Who fails this often
 * tries again on the tick.
 */
const MAX_ATTEMPTS: u32 = 32;
/** Changes wait while this worker has at least so many requests in flight for each of them. */
const MIN_REQUESTS: u32 = 8;
/** A larger record is read and written for one pick in NANOSECONDS_PER_WORD per word, ns. Single picks matter less among many endpoints. */
const SMALL_RECORD: u32 = 64;
const NANOSECONDS_PER_WORD: u64 = 2000;
/** A living worker has published after this time, ns (counts.ts). */
const SURELY_PUBLISHED: u64 = 700000000;

/** topologyChanges() that the groups belong to. */
let followed: u32 = 0;
/** Whether this worker takes part. */
let takesPart: bool = false;
/** Number of epochs that this worker has begun. */
let begun: u64 = 0;

/** Whether this worker's counts have what the other workers have at this moment, or at the last pick or tick. */
export function sharesLoad(): bool {
  return takesPart && followed == topologyChanges();
}

/** Whether the shared records have what all workers have, or a worker publishes what they lack. */
export function countsAll(): bool {
  if (!sharesLoad()) return false;
  for (let number: u32 = 0; number < groupCount(); number++) if (!groupAt(number).joined) return false;
  return true;
}

/** Call before a pick among the model's endpoints. Takes over what the other workers have on them by now. */
export function receiveLoad(view: SnapshotView, model: u32, now: u64): void {
  if (!takesPart || followed != topologyChanges()) return;
  if (groupCount() == 1) return readIfDue(0, now);
  const first = view.modelFirst(model);
  const links = view.modelEndpoints(model);
  const all: u32 = (1 << groupCount()) - 1;
  let wanted = links == endpointCount() ? all : 0;
  for (let i: u32 = 0; wanted != all && i < links; i++) wanted |= 1 << (view.linkEndpoint(first + i) / GROUP);
  for (; wanted; wanted &= wanted - 1) readIfDue(<u32>ctz(wanted), now);
}

function isSmall(number: u32): bool {
  return wordsOf(number) <= SMALL_RECORD;
}

/** Reads a record before a pick. A large record is not read again soon. */
function readIfDue(number: u32, now: u64): void {
  const group = groupAt(number);
  if (!isSmall(number)) {
    const time = hostTime();
    if (time >= group.readAt && time - group.readAt < wordsOf(number) * NANOSECONDS_PER_WORD) return;
    group.readAt = time;
  }
  read(number, now);
}

/** Call when this worker has sent a request to an endpoint, at `now`, ns. */
export function shareLoad(entry: Entry, now: u64): void {
  if (!takesPart || entry.endpoint == NONE || followed != topologyChanges()) return;
  later(entry);
  const number = entry.endpoint / GROUP;
  if (isSmall(number) || groupAt(number).fresh) writeChanges(number, now);
}

/** Call when a request has left an endpoint, or its tokens no longer wait, at `now`, ns. A busy worker may leave this to its next write. */
export function shareLess(entry: Entry, now: u64): void {
  if (!takesPart || entry.endpoint == NONE || followed != topologyChanges()) return;
  later(entry);
  if (isSmall(0) && changesMade() * MIN_REQUESTS > <u32>max(ownInFlight(), 0)) shareChanges(now);
}

/** Writes what waits for a write, at `now`, ns. Call before this worker publishes its counts: the others add the two. */
export function shareChanges(now: u64): void {
  if (!takesPart || followed != topologyChanges()) return;
  while (changes() > 0) {
    const before = changes();
    writeChanges(changedEndpoint(0) / GROUP, now);
    // The write failed. The tick tries again.
    if (changes() == before) return;
  }
}

/** Call when counts have changed that the other workers need not know before the next tick. */
export function shareLater(entry: Entry): void {
  if (takesPart && entry.endpoint != NONE && followed == topologyChanges()) later(entry);
}

/**
 * Call when the other workers' counts were received, at `now`, ns. `hasKey`: whether this worker publishes its counts. If it does not, the
 * other workers would not notice its death. Returns whether this worker has brought its shares up to date, so that it should publish.
 */
export function followLoad(hasKey: bool, now: u64): bool {
  const together = hasKey && workersBeside() > 0;
  if (!together && !takesPart) return false;
  takesPart = together;
  if (followed != topologyChanges()) followGroups();
  if (!together) {
    for (let number: u32 = 0; number < groupCount(); number++) leave(number);
    return false;
  }
  let shared = false;
  const used = groupCount();
  for (let number: u32 = 0; number < used; number++) {
    read(number, now);
    const group = groupAt(number);
    const due = group.behind || group.onTick || group.failed || !group.joined;
    if (!due) continue;
    group.onTick = false;
    group.failed = !writeAll(number, now);
    shared = shared || !group.failed;
  }
  return shared;
}

/** Call when a worker fell silent that published last at `at`, ns. Drops its shares. */
export function dropShares(at: u64, now: u64): void {
  if (!takesPart || followed != topologyChanges()) return;
  const used = groupCount();
  for (let number: u32 = 0; number < used; number++) {
    read(number, now);
    // An epoch that began when the worker was surely dead has no share of that worker.
    while (groupAt(number).joined && headerOf(number).began <= at + SURELY_PUBLISHED) {
      if (begin(number, now) != OVERTAKEN) break;
      read(number, now);
    }
  }
}

/** Makes the groups follow the current endpoints. */
function followGroups(): void {
  followed = topologyChanges();
  forgetChanges();
  resetGroups();
}

/** Reads a record, and takes over the words that have changed. */
function read(number: u32, now: u64): void {
  const group = groupAt(number);
  const value = readRecord(number);
  group.cas = value.cas;
  group.fresh = true;
  const header = changetype<RecordHeader>(value.pointer);
  const fits = value.length == group.bytes && header.topology == topologyHash() && header.epoch != group.forgotten;
  if (!fits) {
    group.foreignReceived = value.length >= HEADER && header.topology != topologyHash() ? header.received : 0;
    return leave(number);
  }
  const joins = !group.joined || group.epoch != header.epoch;
  if (joins) join(number, header.epoch);
  const all = joins || group.spoiled;
  if (all) memory.copy(group.copy, value.pointer, HEADER);
  group.spoiled = false;
  const end = HEADER + wordsOf(number) * 8;
  let at = HEADER;
  while (at < end) {
    // Few words have changed since the last read, so whole blocks are compared.
    if (!all && at + COMPARED_BYTES <= end && sameBlock(value.pointer + at, group.copy + at)) {
      at += COMPARED_BYTES;
      continue;
    }
    for (const blockEnd = min(at + COMPARED_BYTES, end); at < blockEnd; at += 8) {
      const word = load<u64>(value.pointer + at);
      if (!all && word == load<u64>(group.copy + at)) continue;
      store<u64>(group.copy + at, word);
      receiveWord(entryOf(number * GROUP + (at - HEADER) / 8), word, joins, now);
    }
  }
}

/** Joins an epoch, without a share in it yet. */
function join(number: u32, epoch: u64): void {
  const group = groupAt(number);
  group.joined = true;
  group.behind = true;
  // A worker that left the record and comes back in the same epoch still has its shares there.
  if (group.epoch == epoch) return;
  group.epoch = epoch;
  const words = wordsOf(number);
  for (let i: u32 = 0; i < words; i++) forgetShare(entryOf(number * GROUP + i));
}

function leave(number: u32): void {
  const group = groupAt(number);
  if (!group.joined) return;
  group.joined = false;
  const words = wordsOf(number);
  for (let i: u32 = 0; i < words; i++) leaveRecord(entryOf(number * GROUP + i));
}

/** Leaves a change of an endpoint's counts to the next write. If too many wait, the next tick writes all words. */
function later(entry: Entry): void {
  if (!addChange(entry)) groupAt(entry.endpoint / GROUP).onTick = true;
}

/** Brings the changed words of a record up to date. */
function writeChanges(number: u32, now: u64): void {
  const group = groupAt(number);
  if (group.failed) return;
  if (!group.fresh) read(number, now);
  const made = group.joined && !group.behind ? change(number, now) : writeAll(number, now);
  if (!made) group.failed = true;
}

/** Brings the changed words of a joined record up to date. The record was read since the last write. Returns false when this failed. */
function change(number: u32, now: u64): bool {
  for (let attempts: u32 = 0; attempts < MAX_ATTEMPTS; attempts++) {
    const status = addMissing(number, 1) ? writeRecord(number) : REPLACED;
    if (status == REPLACED) {
      written(number);
      return true;
    }
    // read() compares the record with the copy, so the copy must be what was read.
    addMissing(number, -1);
    if (status != OVERTAKEN) break;
    read(number, now);
    if (!groupAt(number).joined || groupAt(number).behind) return writeAll(number, now);
  }
  count(SHARED_FAILED);
  return false;
}

/** Adds `times` what the changed words of the copy lack of this worker's shares. Returns whether they lacked something. */
function addMissing(number: u32, times: i64): bool {
  let missing: u64 = 0;
  for (let i: u32 = 0; i < changes(); i++) {
    const endpoint = changedEndpoint(i);
    if (endpoint / GROUP != number) continue;
    const entry = entryOf(endpoint);
    const difference = wantedShare(entry) - entry.otherWorkers.share;
    const at = groupAt(number).copy + HEADER + (endpoint - number * GROUP) * 8;
    store<u64>(at, load<u64>(at) + difference * times);
    missing |= difference;
  }
  return missing != 0;
}

/** Call when the record has the shares that this worker wants of its changed words. */
function written(number: u32): void {
  for (let i: u32 = 0; i < changes(); ) {
    const endpoint = changedEndpoint(i);
    if (endpoint / GROUP != number) i++;
    else {
      const entry = entryOf(endpoint);
      shareWritten(entry, wantedShare(entry));
      dropChange(i, entry);
    }
  }
}

/** Brings all words of a record up to date, or begins an epoch. The record was read since the last write. Returns false when this failed. */
function writeAll(number: u32, now: u64): bool {
  const group = groupAt(number);
  for (let attempts: u32 = 0; attempts < MAX_ATTEMPTS; attempts++) {
    if (!group.joined && receivedAt() <= group.foreignReceived) return false;
    const status = group.joined ? addShares(number) : begin(number, now);
    if (status == REPLACED) {
      written(number);
      return true;
    }
    if (status != OVERTAKEN) break;
    read(number, now);
  }
  count(SHARED_FAILED);
  return false;
}

/** Adds what is missing of this worker's shares to a joined record. Returns the status of replaceShared(). */
function addShares(number: u32): u32 {
  const group = groupAt(number);
  const words = wordsOf(number);
  const first = number * GROUP;
  for (let i: u32 = 0; i < words; i++) {
    const entry = entryOf(first + i);
    const at = group.copy + HEADER + i * 8;
    store<u64>(at, load<u64>(at) + wantedShare(entry) - entry.otherWorkers.share);
  }
  const status = writeRecord(number);
  group.spoiled = status != REPLACED;
  if (group.spoiled) return status;
  group.behind = false;
  for (let i: u32 = 0; i < words; i++) shareWritten(entryOf(first + i), wantedShare(entryOf(first + i)));
  return status;
}

/** Begins an epoch, with this worker's shares. Returns the status of replaceShared(). */
function begin(number: u32, now: u64): u32 {
  const group = groupAt(number);
  const header = headerOf(number);
  header.topology = topologyHash();
  header.epoch = mix(workerId() ^ now ^ ++begun);
  header.received = receivedAt();
  header.began = now;
  const words = wordsOf(number);
  const first = number * GROUP;
  for (let i: u32 = 0; i < words; i++) store<u64>(group.copy + HEADER + i * 8, wantedShare(entryOf(first + i)));
  const status = writeRecord(number);
  group.spoiled = status != REPLACED;
  if (group.spoiled) return status;
  group.joined = true;
  group.behind = false;
  group.epoch = header.epoch;
  for (let i: u32 = 0; i < words; i++) {
    const entry = entryOf(first + i);
    const share = wantedShare(entry);
    shareWritten(entry, share);
    receiveWord(entry, share, true, now);
  }
  return status;
}
