// How workers exchange prefixes. Each worker publishes its latest prefix updates under a key of its own.
//   pilotfish.prefix.N   PrefixHeader, then the records (ring.ts)
// N is the worker's number in counts.ts. The worker's counts have the position where its updates end, so the others read this key
// only when it has new updates. Updates stay for 0.4 to 0.8 s, because an idle worker reads only every 0.2 s. At most 64 KiB of
// updates stay. A worker that missed an update takes the prefix for uncached, until it sends a request with that prefix itself.
//
// A second ring keeps all updates that this worker sent and received, for traffic reports to other Envoys (filter/reserved/).

import { receiveUpdate, takeUpdate, UPDATE_BYTES, updateWaiting } from "../endpoints/cache/prefix-updates";
import { MAX_WORKERS } from "../endpoints/shared-record";
import { newRing, Ring } from "./ring";
import { NumberedKeys, readShared, workerId, writeShared } from "./shared-data";

@unmanaged
class PrefixHeader {
  /** workerId() of the key's owner. */
  owner: u64 = 0;
  /** Positions in the owner's ring where the records begin and end. */
  start: u64 = 0;
  end: u64 = 0;
}

/** The position up to which this worker has received another worker's updates. */
@unmanaged
class Received {
  owner: u64 = 0;
  end: u64 = 0;
}

const HEADER: u32 = offsetof<PrefixHeader>();
const OWN_BYTES: u32 = 65536;
const REPORT_BYTES: u32 = 131072;
/** An update is dropped when it is between one and two epochs old. An epoch in ns. */
const EPOCH: u64 = 400000000;

const keys = new NumberedKeys("pilotfish.prefix", MAX_WORKERS);
const received: usize = memory.data(MAX_WORKERS * offsetof<Received>(), 8);
/** The value that this worker publishes: the header, then the data of the ring `own`. */
let value: usize = 0;
/** Memory for one update. */
let update: usize = 0;
/** Ring of this worker's own updates; 0 before the first update. */
let own: usize = 0;
/** Ring of all updates that this worker sent and received; 0 before the first update. */
let all: usize = 0;
/** When the current epoch began, ns, and the position in `own` where its updates begin. */
let epochAt: u64 = 0;
let epochStart: u64 = 0;

/** Allocates the memory. The first update calls this. */
function open(): void {
  value = heap.alloc(HEADER + OWN_BYTES);
  update = heap.alloc(UPDATE_BYTES);
  const ring = newRing(0);
  ring.data = value + HEADER;
  ring.capacity = OWN_BYTES;
  own = changetype<usize>(ring);
}

/** Publishes this worker's new prefixes under its number `worker`, if there are any. Returns the position where its updates end. */
export function publishPrefixes(worker: u32, now: u64): u64 {
  if (updateWaiting() == 0) return own ? changetype<Ring>(own).end : 0;
  if (!own) open();
  const ring = changetype<Ring>(own);
  const bytes = takeUpdate(update);
  if (now - epochAt > EPOCH) {
    ring.dropTo(<u32>(ring.end - max(epochStart, ring.start)));
    epochStart = ring.end;
    epochAt = now;
  }
  ring.append(update, bytes);
  keep(update, bytes);
  const header = changetype<PrefixHeader>(value);
  header.owner = workerId();
  header.start = ring.start;
  header.end = ring.end;
  writeShared(keys.at(worker), value, HEADER + ring.size);
  return ring.end;
}

/** Takes over the updates that another worker published since the last call. `end`: low 32 bits of the position where they end. */
export function receivePrefixesOf(worker: u32, end: u32): void {
  const known = changetype<Received>(received + worker * offsetof<Received>());
  if (<u32>known.end == end) return;
  const shared = readShared(keys.at(worker));
  if (shared.length < HEADER) return;
  const header = changetype<PrefixHeader>(shared.pointer);
  const start = header.start;
  const last = header.end;
  if (last < start || last - start != shared.length - HEADER) return;
  if (known.owner != header.owner) {
    known.owner = header.owner;
    known.end = 0;
  }
  const from = known.end > start && known.end <= last ? known.end : start;
  const records = shared.pointer + HEADER + <usize>(from - start);
  receiveUpdate(records, <u32>(last - from));
  keep(records, <u32>(last - from));
  known.end = last;
}

/** Adds updates to the ring for traffic reports. */
function keep(records: usize, bytes: u32): void {
  if (!all) all = changetype<usize>(newRing(REPORT_BYTES));
  if (bytes > 0) changetype<Ring>(all).append(records, bytes);
}

/** Returns the ring of all updates that this worker sent and received lately; null before the first update. */
export function allPrefixes(): Ring | null {
  return all ? changetype<Ring>(all) : null;
}
