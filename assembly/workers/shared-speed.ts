// The speed of each endpoint (endpoints/speed.ts), as all workers of this Envoy learned it together.
//   pilotfish.speed.G   SpeedHeader, then a CommonSpeed for each endpoint of group G
// An endpoint's hash gives its group, so endpoints that come and go do not move the others. A worker with new samples adds them to the
// groups of their endpoints on its tick, every EVERY, under compare-and-swap. `Summary.speeds` counts these additions. When it has
// changed, the other workers take over the groups that changed. So a worker knows a sample of another worker after EVERY and two ticks
// at most, and each endpoint's speed is learned from the samples of all workers.
//
// A worker that dies loses the samples of the last EVERY. When an addition fails, its samples wait for the next one. Two workers that
// write a group's first value at once lose one of the additions (shared-data.ts).
import { MAX_ENDPOINTS } from "../../protocol/constants";
import { endpointCount, findEntry, topologyHash } from "../endpoints/entries";
import {
  CommonSpeed,
  freshSpeedAt,
  freshSpeedPublished,
  freshSpeeds,
  receiveSpeed,
  writeSpeed,
} from "../endpoints/speed";
import { beginChange, NumberedKeys, readShared } from "./shared-data";
import { countSpeeds, summary } from "./summary";

@unmanaged
class SpeedHeader {
  /** Number of additions to the group. */
  version: u64 = 0;
}

const HEADER: u32 = offsetof<SpeedHeader>();
const RECORD: u32 = offsetof<CommonSpeed>();
/** Most endpoints of a group in the mean. */
const GROUP: u32 = 64;
/** Records of a group. Hashes spread endpoints unevenly: more than twice the mean occurs for one group in 10^12. */
const MAX_RECORDS: u32 = 2 * GROUP;
/** 256: the least power of two with at most GROUP endpoints in each group. */
const MAX_GROUPS: u32 = 1 << (32 - clz<u32>(MAX_ENDPOINTS / GROUP - 1));
/** Shortest time between two additions of a worker, and between two times that it takes over the groups, ns. */
const EVERY: u64 = 100000000;

const keys = new NumberedKeys("pilotfish.speed", MAX_GROUPS);
const value: usize = heap.alloc(HEADER + MAX_RECORDS * RECORD);
/** Version of each group that this worker last took over, a u64 each. */
const versions: usize = heap.alloc(MAX_GROUPS * 8);
let exchangedAt: u64 = 0;
/** The value of Summary.speeds, and topologyHash(), when this worker last took over the groups. */
let received: u64 = 0;
let receivedTopology: u64 = 0;

memory.fill(versions, 0xff, MAX_GROUPS * 8);

/** Call on the tick at `now`, ns, after readSummary(). */
export function exchangeSpeeds(now: u64): void {
  if (now >= exchangedAt && now - exchangedAt < EVERY) return;
  const isNew = receivedTopology != topologyHash();
  if (freshSpeeds() == 0 && summary().speeds == received && !isNew) return;
  exchangedAt = now;
  // Endpoints that are new to this worker need the values of all groups.
  if (isNew) memory.fill(versions, 0xff, MAX_GROUPS * 8);
  if (summary().speeds != received || isNew) receiveGroups(now);
  if (freshSpeeds() > 0) publish(now);
}

/** Number of groups: a power of two. */
function groupCount(): u32 {
  const wanted = (endpointCount() + GROUP - 1) / GROUP;
  return wanted <= 1 ? 1 : min<u32>(1 << (32 - clz<u32>(wanted - 1)), MAX_GROUPS);
}

function groupOf(endpoint: u64): u32 {
  return <u32>(endpoint >> 40) & (groupCount() - 1);
}

/** Takes over the groups that have changed. */
function receiveGroups(now: u64): void {
  received = summary().speeds;
  receivedTopology = topologyHash();
  const groups = groupCount();
  for (let group: u32 = 0; group < groups; group++) {
    const known = readShared(keys.at(group));
    if (known.length >= HEADER) receiveGroup(group, known.pointer, known.length, now);
  }
}

/** Takes over a group's value, unless this worker has taken it over before. */
function receiveGroup(group: u32, known: usize, length: u32, now: u64): void {
  const version = changetype<SpeedHeader>(known).version;
  if (load<u64>(versions + group * 8) == version) return;
  store<u64>(versions + group * 8, version);
  const records = recordsOf(length);
  for (let i: u32 = 0; i < records; i++) receiveSpeed(changetype<CommonSpeed>(known + HEADER + i * RECORD), now);
}

/** Number of records in a value; 0 for a value of another form. */
function recordsOf(length: u32): u32 {
  if (length < HEADER || length > HEADER + MAX_RECORDS * RECORD) return 0;
  return (length - HEADER) % RECORD == 0 ? (length - HEADER) / RECORD : 0;
}

/** Adds this worker's fresh samples to the groups of their endpoints. */
function publish(now: u64): void {
  let added = false;
  while (freshSpeeds() > 0) {
    const group = groupOf(freshSpeedAt(0));
    if (!addTo(group, now)) break;
    added = true;
    for (let i = freshSpeeds(); i > 0; i--) if (groupOf(freshSpeedAt(i - 1)) == group) freshSpeedPublished(i - 1);
  }
  if (!added) return;
  countSpeeds();
  if (summary().speeds == received + 1) received++;
}

/** Adds the fresh samples of a group's endpoints to its value. Returns false when the change failed. */
function addTo(group: u32, now: u64): bool {
  const header = changetype<SpeedHeader>(value);
  const change = beginChange(keys.at(group));
  while (change.next()) {
    let records = recordsOf(change.length);
    header.version = 0;
    if (records > 0) {
      receiveGroup(group, change.pointer, change.length, now);
      memory.copy(value, change.pointer, change.length);
    }
    header.version++;
    for (let i: u32 = 0; i < freshSpeeds(); i++) {
      const entry = findEntry(freshSpeedAt(i));
      if (entry === null || groupOf(entry.hash) != group) continue;
      const at = placeOf(entry.hash, records);
      records = max(records, at + 1);
      writeSpeed(entry, recordAt(at));
    }
    change.write(value, HEADER + records * RECORD);
  }
  if (change.made()) store<u64>(versions + group * 8, header.version);
  return change.made();
}

function recordAt(i: u32): CommonSpeed {
  return changetype<CommonSpeed>(value + HEADER + i * RECORD);
}

/** Place of the endpoint's record among `records`: its own, else a new one, else that of the endpoint without a sample for longest. */
function placeOf(endpoint: u64, records: u32): u32 {
  let oldest: u32 = 0;
  for (let i: u32 = 0; i < records; i++) {
    if (recordAt(i).endpoint == endpoint) return i;
    if (recordAt(i).at < recordAt(oldest).at) oldest = i;
  }
  return records < MAX_RECORDS ? records : oldest;
}
