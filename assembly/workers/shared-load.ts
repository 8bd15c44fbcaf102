// The shared records: what all workers together have on each endpoint, changed at the moment of each pick, first byte and end.
//   pilotfish.load.G   RecordHeader, then a word for each endpoint of group G (endpoints/shared-record.ts)
// A group is GROUP endpoints that follow one another in the snapshot. A pick reads the records of its candidates' groups. A worker
// changes a word under compare-and-swap, and remembers its share of the word. So the others' part is the word less the own share.
//
// Epochs. A record begins anew, with a new random epoch and without any share, when the endpoints have changed or a worker died with
// its share in the record. Each worker that finds another epoch adds its whole share again, at its next change or tick. Until then
// the counts of that worker are missing, at most one tick (20 ms; an idle worker has no requests). So no error lasts. If two workers
// create a record at once, the second overwrites the first. The first worker then finds another epoch, and adds its share.
//
// A worker takes part while another worker is alive. A single worker neither reads nor writes a record. A worker whose change fails
// leaves the difference to the exchange on the tick (endpoints/other-workers.ts), and tries again on its next tick.

import { MAX_ENDPOINTS } from "../../protocol/constants";
import { mix } from "../base/hash";
import { endpointCount, entryOf, topologyChanges, topologyHash } from "../endpoints/entries";
import { Entry } from "../endpoints/entry";
import {
  forgetShare,
  leaveRecord,
  receiveWord,
  shareWritten,
  wantedShare,
  workersBeside,
} from "../endpoints/other-workers";
import { receivedAt } from "../snapshot/current";
import { NONE, SnapshotView } from "../snapshot/view";
import { count, SHARED_FAILED } from "../stats";
import { NumberedKeys, OVERTAKEN, REPLACED, readShared, replaceShared, workerId } from "./shared-data";

@unmanaged
class RecordHeader {
  /** topologyHash() of the endpoints. */
  topology: u64 = 0;
  /** A random number. All shares in the record were added under it. */
  epoch: u64 = 0;
  /** When this Envoy received the snapshot of the worker that began the epoch, ns. Its version may be lower than an older one's. */
  received: u64 = 0;
  /** When the epoch began, ns. */
  began: u64 = 0;
}

/** Endpoints of one record. A pick of few endpoints copies 4 KiB, a pick of 1,000 endpoints reads two records. */
const GROUP: u32 = 512;
const HEADER: u32 = offsetof<RecordHeader>();
/** 20, so the groups of a pick fit into the bits of a u32. */
const MAX_GROUPS: u32 = (MAX_ENDPOINTS + GROUP - 1) / GROUP;
/**
 * Most attempts at one change. In each round one of the workers that change a record at the same moment succeeds. Who fails this often
 * tries again on the tick.
 */
const MAX_ATTEMPTS: u32 = 32;
/** A living worker has published after this time, ns (counts.ts). */
const SURELY_PUBLISHED: u64 = 700000000;

/** What this worker knows of one record. */
@unmanaged
class Group {
  /** Copy of the record as it was last read or written: the header, then the words; 0: not allocated. */
  copy: usize = 0;
  bytes: u32 = 0;
  cas: u32 = 0;
  /** The epoch in which this worker has its shares. */
  epoch: u64 = 0;
  /** An epoch in which this worker had shares that it no longer knows, because the endpoints have changed since. */
  forgotten: u64 = 0;
  /** Field `received` of a record for other endpoints. A worker with an older snapshot leaves that record alone. */
  foreignReceived: u64 = 0;
  /** Whether the record belongs to this worker's endpoints. */
  joined: bool = false;
  /** Whether `cas` is from a read since this worker's last write. */
  fresh: bool = false;
  /** Whether a failed write has left words in the copy that the record does not have. */
  spoiled: bool = false;
  /** Whether the record lacks this worker's shares, because the epoch is new to the worker. */
  behind: bool = false;
  /** Whether the next tick has to bring the record up to date: a write failed, or a change could wait. */
  onTick: bool = false;
  failed: bool = false;
}

const keys = new NumberedKeys("pilotfish.load", MAX_GROUPS);
const groups: usize = memory.data(MAX_GROUPS * offsetof<Group>(), 8);
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

/** Call before a pick among the model's endpoints. Takes over what the other workers have on them by now. */
export function receiveLoad(view: SnapshotView, model: u32, now: u64): void {
  if (!takesPart || followed != topologyChanges()) return;
  if (groupCount() == 1) return read(0, now);
  const first = view.modelFirst(model);
  const links = view.modelEndpoints(model);
  let wanted: u32 = 0;
  for (let i: u32 = 0; i < links; i++) wanted |= 1 << (view.linkEndpoint(first + i) / GROUP);
  for (; wanted; wanted &= wanted - 1) read(<u32>ctz(wanted), now);
}

/** Call when this worker's counts of an endpoint have changed, at `now`, ns. */
export function shareLoad(entry: Entry, now: u64): void {
  if (!takesPart || entry.endpoint == NONE || followed != topologyChanges()) return;
  const number = entry.endpoint / GROUP;
  const group = groupAt(number);
  if (group.failed) return;
  if (!group.fresh) read(number, now);
  const made = group.joined && !group.behind ? change(number, entry, now) : writeAll(number, now);
  if (!made) group.failed = true;
}

/** Call when counts have changed that the other workers need not know before the next tick. */
export function shareLater(entry: Entry): void {
  if (takesPart && entry.endpoint != NONE && followed == topologyChanges())
    groupAt(entry.endpoint / GROUP).onTick = true;
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
  let written = false;
  const used = groupCount();
  for (let number: u32 = 0; number < used; number++) {
    read(number, now);
    const group = groupAt(number);
    const due = group.behind || group.onTick || group.failed || !group.joined;
    group.onTick = false;
    if (!due) continue;
    group.failed = !writeAll(number, now);
    written = written || !group.failed;
  }
  return written;
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

function groupAt(number: u32): Group {
  return changetype<Group>(groups + number * offsetof<Group>());
}

function groupCount(): u32 {
  return (endpointCount() + GROUP - 1) / GROUP;
}

function headerOf(number: u32): RecordHeader {
  return changetype<RecordHeader>(groupAt(number).copy);
}

/** Words of the record. */
function wordsOf(number: u32): u32 {
  return min(endpointCount() - number * GROUP, GROUP);
}

/** Makes the groups follow the current endpoints. No record is joined then. */
function followGroups(): void {
  followed = topologyChanges();
  const used = groupCount();
  for (let number: u32 = 0; number < used; number++) {
    const group = groupAt(number);
    const bytes = HEADER + wordsOf(number) * 8;
    if (group.bytes != bytes) {
      if (group.copy) heap.free(group.copy);
      group.copy = heap.alloc(bytes);
      group.bytes = bytes;
    }
    if (group.epoch) group.forgotten = group.epoch;
    group.epoch = 0;
    group.joined = false;
    group.fresh = false;
    group.spoiled = true;
  }
}

/** Reads a record, and takes over the words that have changed. */
function read(number: u32, now: u64): void {
  const group = groupAt(number);
  const value = readShared(keys.at(number));
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
  const words = wordsOf(number);
  const first = number * GROUP;
  for (let i: u32 = 0; i < words; i++) {
    const at = HEADER + i * 8;
    const word = load<u64>(value.pointer + at);
    if (!all && word == load<u64>(group.copy + at)) continue;
    store<u64>(group.copy + at, word);
    receiveWord(entryOf(first + i), word, joins, now);
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

/** Brings one word of a joined record up to date. The record was read since the last write. Returns false when this failed. */
function change(number: u32, entry: Entry, now: u64): bool {
  const group = groupAt(number);
  const at = group.copy + HEADER + (entry.endpoint - number * GROUP) * 8;
  for (let attempts: u32 = 0; attempts < MAX_ATTEMPTS; attempts++) {
    const share = wantedShare(entry);
    const had = entry.otherWorkers.share;
    if (share == had) return true;
    store<u64>(at, load<u64>(at) + share - had);
    const status = write(number);
    if (status == REPLACED) {
      shareWritten(entry, share);
      return true;
    }
    // read() compares the record with the copy, so the copy must be what was read.
    store<u64>(at, load<u64>(at) - share + had);
    if (status != OVERTAKEN) break;
    read(number, now);
    if (!group.joined || group.behind) return writeAll(number, now);
  }
  count(SHARED_FAILED);
  return false;
}

/** Brings all words of a record up to date, or begins an epoch. The record was read since the last write. Returns false when this failed. */
function writeAll(number: u32, now: u64): bool {
  const group = groupAt(number);
  for (let attempts: u32 = 0; attempts < MAX_ATTEMPTS; attempts++) {
    if (!group.joined && receivedAt() <= group.foreignReceived) return false;
    const status = group.joined ? addShares(number) : begin(number, now);
    if (status == REPLACED) return true;
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
  const status = write(number);
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
  const status = write(number);
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

/** Replaces the record by the copy, unless another worker changed the record since it was read. */
function write(number: u32): u32 {
  const group = groupAt(number);
  const status = replaceShared(keys.at(number), group.copy, group.bytes, group.cas);
  group.fresh = false;
  return status;
}
