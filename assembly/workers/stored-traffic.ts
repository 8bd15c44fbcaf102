// The traffic push that the workers of one Envoy share: counts and prefixes of other Envoys.
//   pilotfish.traffic           the last traffic push, without its prefixes
//   pilotfish.traffic-prefixes  StoredPrefixes, then the latest prefix records (ring.ts)
// The summary has the number of pushes and the position where the prefixes end. So a worker reads a key only when the key has
// changed. Counts are replaced whole. Prefixes are added under compare-and-swap, because each push has only new
// prefixes. They stay for 0.4 to 0.8 s, because an idle worker reads only every 0.2 s, or until 64 KiB of newer records displace them.
import {
  HEADER_TOTAL_BYTES,
  MAX_PREFIX_WORDS,
  PREFIX_WORD_BYTES,
  REPORT_HEADER_BYTES,
  REPORT_RECORD_BYTES,
  REPORT_WORDS,
} from "../../protocol/constants";
import { bytesOf } from "../base/bytes";
import { topologyHash } from "../endpoints/entries";
import { openTrafficPush, TrafficPush } from "../snapshot/traffic-push";
import { Ring } from "./ring";
import { beginChange, readShared, writeShared } from "./shared-data";
import { publishTraffic, summary } from "./summary";

@unmanaged
class StoredPrefixes {
  /** Positions where the records begin and end. */
  start: u64 = 0;
  end: u64 = 0;
  /** When the current epoch began, ns, and the position where its records begin. */
  epochAt: u64 = 0;
  epochStart: u64 = 0;
}

/** Prefix records that a worker has not received yet. */
@unmanaged
class NewPrefixes {
  pointer: usize = 0;
  length: u32 = 0;
}

const KEY = bytesOf("pilotfish.traffic");
const PREFIXES = bytesOf("pilotfish.traffic-prefixes");
const HEADER: u32 = offsetof<StoredPrefixes>();
const MAX_BYTES: u32 = MAX_PREFIX_WORDS * PREFIX_WORD_BYTES;
/** An epoch in ns. Records are dropped when they are between one and two epochs old. */
const EPOCH: u64 = 400000000;

/** Memory for the pushed prefixes, and for the value of PREFIXES; 0 before the first push with prefixes. */
let pushed: usize = 0;
let value: usize = 0;
const ring: usize = memory.data(offsetof<Ring>(), 8);
const fresh: usize = memory.data(offsetof<NewPrefixes>(), 8);
/** What this worker has received: Summary.trafficPushes of the counts, and the position up to which it has the prefixes. */
let receivedPushes: u64 = 0;
let receivedEnd: u64 = 0;
/** The endpoints for which this worker received the counts. */
let receivedTopology: u64 = 0;

/** Stores a verified traffic push, of which `push` is the view, for all workers. `now` is in ns. Returns false when this failed. */
export function storeTraffic(data: usize, push: TrafficPush, now: u64): bool {
  const words = push.prefixBytes;
  if (words > 0) {
    if (!pushed) pushed = heap.alloc(MAX_BYTES);
    memory.copy(pushed, push.prefixes, words);
  }
  const bytes = REPORT_HEADER_BYTES + push.count * REPORT_RECORD_BYTES;
  store<u32>(data, bytes, HEADER_TOTAL_BYTES);
  store<u32>(data, 0, REPORT_WORDS);
  if (!writeShared(KEY, data, bytes)) return false;
  return publishTraffic(now, words > 0 ? addPrefixes(words, now) : 0);
}

/** Adds the `bytes` bytes at `pushed` to the stored prefixes. Returns the position where they end; 0: the change failed. */
function addPrefixes(bytes: u32, now: u64): u64 {
  if (!value) value = heap.alloc(HEADER + MAX_BYTES);
  const header = changetype<StoredPrefixes>(value);
  const records = changetype<Ring>(ring);
  const change = beginChange(PREFIXES);
  while (change.next()) {
    if (isWhole(change.pointer, change.length)) memory.copy(value, change.pointer, change.length);
    else memory.fill(value, 0, HEADER);
    records.data = value + HEADER;
    records.capacity = MAX_BYTES;
    records.start = header.start;
    records.end = header.end;
    if (now < header.epochAt || now - header.epochAt > EPOCH) {
      records.dropTo(<u32>(records.end - max(header.epochStart, records.start)));
      header.epochStart = records.end;
      header.epochAt = now;
    }
    records.append(pushed, bytes);
    header.start = records.start;
    header.end = records.end;
    change.write(value, HEADER + records.size);
  }
  return change.made() ? header.end : 0;
}

/** Whether a value of PREFIXES has the length that its header says. */
function isWhole(pointer: usize, length: u32): bool {
  if (length < HEADER || length > HEADER + MAX_BYTES) return false;
  const header = changetype<StoredPrefixes>(pointer);
  return header.end >= header.start && header.end - header.start == length - HEADER;
}

/** Call after readSummary(). Returns the last pushed counts, if they or the endpoints are new since the last call; otherwise null. */
export function receiveTraffic(): TrafficPush | null {
  if (summary().trafficPushes == receivedPushes && topologyHash() == receivedTopology) return null;
  receivedPushes = summary().trafficPushes;
  receivedTopology = topologyHash();
  const stored = readShared(KEY);
  if (stored.length < REPORT_HEADER_BYTES) return null;
  const push = openTrafficPush(stored.pointer);
  return REPORT_HEADER_BYTES + push.count * REPORT_RECORD_BYTES == stored.length ? push : null;
}

/** Call after readSummary(). Returns the prefix records that were pushed since the last call; null: none. */
export function receiveTrafficPrefixes(): NewPrefixes | null {
  if (summary().trafficPrefixes == receivedEnd) return null;
  const stored = readShared(PREFIXES);
  if (!isWhole(stored.pointer, stored.length)) return null;
  const header = changetype<StoredPrefixes>(stored.pointer);
  const from = receivedEnd > header.start && receivedEnd <= header.end ? receivedEnd : header.start;
  const prefixes = changetype<NewPrefixes>(fresh);
  prefixes.pointer = stored.pointer + HEADER + <usize>(from - header.start);
  prefixes.length = <u32>(header.end - from);
  receivedEnd = header.end;
  return prefixes;
}
