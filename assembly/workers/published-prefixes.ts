// How workers learn of each other's prefixes. Each worker publishes the prefix updates of the last moments under a key of its own.
//   pilotfish.prefix.N   PrefixHeader, then the records (ring.ts)
// N is the worker's number in counts.ts. The worker's key there also has the end of its updates, so that a key without anything
// new is not read. Updates stay for 0.4 to 0.8 s, because an idle worker reads every 0.2 s only, and 64 KiB of them at most. A
// worker that missed a prefix takes it for uncached, for one request.
// All that this worker sent and received is kept once more, for traffic reports to other Envoys (filter/reserved/).
import { receiveUpdate, takeUpdate, UPDATE_BYTES, updateWaiting } from "../endpoints/cache/prefix-updates";
import { newRing, Ring } from "./ring";
import { MAX_WORKERS, NumberedKeys, readShared, workerId, writeShared } from "./shared-data";

@unmanaged
class PrefixHeader {
  /** workerId() of the key's owner. */
  owner: u64 = 0;
  /** Positions in the owner's ring where the records begin and end. */
  start: u64 = 0;
  end: u64 = 0;
}

/** How far this worker received another's updates. */
@unmanaged
class Received {
  owner: u64 = 0;
  end: u64 = 0;
}

const HEADER: u32 = offsetof<PrefixHeader>();
const OWN_BYTES: u32 = 65536;
const REPORT_BYTES: u32 = 131072;
/** Nanoseconds. An update is given up when it is older than one of these, and before it is older than two. */
const EPOCH: u64 = 400000000;

const keys = new NumberedKeys("pilotfish.prefix", MAX_WORKERS);
const received: usize = memory.data(MAX_WORKERS * offsetof<Received>(), 8);
/** What is published, in one piece: the header, then the data of `own`. */
let value: usize = 0;
/** Room for one update. */
let update: usize = 0;
/** Rings; 0 until they are needed. */
let own: usize = 0;
let all: usize = 0;
let epochAt: u64 = 0;
let epochStart: u64 = 0;

/** The first update takes the memory. */
function open(): void {
  value = heap.alloc(HEADER + OWN_BYTES);
  update = heap.alloc(UPDATE_BYTES);
  const ring = newRing(0);
  ring.data = value + HEADER;
  ring.capacity = OWN_BYTES;
  own = changetype<usize>(ring);
}

/** Publishes this worker's new prefixes under its number, if there are any. Where its updates end. */
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

/** Takes over what another worker published since the last call; `end`: the low half of where its updates end. */
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

function keep(records: usize, bytes: u32): void {
  if (!all) all = changetype<usize>(newRing(REPORT_BYTES));
  if (bytes > 0) changetype<Ring>(all).append(records, bytes);
}

/** All that this worker sent and received lately; null before the first update. */
export function allPrefixes(): Ring | null {
  return all ? changetype<Ring>(all) : null;
}
