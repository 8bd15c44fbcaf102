// How many more requests are on each endpoint than when it was scraped: what this Envoy sent since then, less what ended.
// A snapshot is older than it looks: scraped, pushed, and taken over on a tick. So counts are remembered for the last ticks,
// and the one of the tick before the scrape is what the scrape saw.
//
//   more(p) = counted(p) now - counted(p) at the last tick before p was scraped
//
// Bound: what ended or was sent within that tick (20 ms; 200 ms where the worker rested, filter/ticker.ts), what the other
// workers did not tell yet (40 ms), and what was sent in the time by which one push took longer than the one before: a
// scrape's instant is reckoned from when the snapshot came.
// Memory: TICKS * 4 + 12 bytes for each endpoint.
import { UNKNOWN } from "../../protocol/constants";
import { endpointCount, topologyHash } from "../endpoints/entries";
import { counted } from "../endpoints/in-flight";
import { SnapshotView } from "../snapshot/view";

const TICKS: u32 = 16;

/** i32 per endpoint and tick. */
let samples: usize = 0;
/** u64 ns of each sample; 0: none. */
const times: usize = memory.data(128, 8);
/** Per endpoint: u64 ns of its last scrape, i32 count that it saw. */
let scrapes: usize = 0;
let counts: usize = 0;
let capacity: u32 = 0;
let topology: u64 = 0;
let newest: u32 = 0;
let used: bool = false;

/** From now on counts are remembered. */
export function useSince(): void {
  used = true;
}

/** On the tick, when the others' counts have been heard. */
export function sampleCounts(now: u64): void {
  if (!used || endpointCount() == 0) return;
  fit();
  newest = (newest + 1) % TICKS;
  store<u64>(times + newest * 8, now);
  const row = samples + newest * capacity * 4;
  for (let i: u32 = 0; i < endpointCount(); i++) store<i32>(row + i * 4, counted(i));
}

/** A snapshot that the filter received at `received`, ns, has been taken over. */
export function followSince(view: SnapshotView, received: u64): void {
  if (!used || endpointCount() == 0) return;
  fit();
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const age = view.scrapeAge(i);
    if (age == UNKNOWN) continue;
    const aged = <u64>age * 1000000;
    const at = received > aged ? received - aged : 0;
    // The same scrape in a later snapshot looks a little older or younger: by what the push took.
    if (at < load<u64>(scrapes + i * 8) + SAME) continue;
    store<u64>(scrapes + i * 8, at);
    store<i32>(counts + i * 4, countAt(i, at));
  }
}

const SAME: u64 = 4000000;

/** The newest sample that is not younger than `at`; the oldest one when all are. */
function countAt(endpoint: u32, at: u64): i32 {
  let slot = newest;
  for (let back: u32 = 0; back < TICKS; back++) {
    const candidate = (newest + TICKS - back) % TICKS;
    const time = load<u64>(times + candidate * 8);
    if (time == 0) break;
    slot = candidate;
    if (time <= at) break;
  }
  return load<u64>(times + slot * 8) == 0 ? counted(endpoint) : load<i32>(samples + (slot * capacity + endpoint) * 4);
}

export function moreThanScraped(endpoint: u32): i32 {
  return used && topology == topologyHash() ? counted(endpoint) - load<i32>(counts + endpoint * 4) : 0;
}

/** Other endpoints, or another order: what is counted now is where all of them begin. */
function fit(): void {
  if (topology == topologyHash()) return;
  topology = topologyHash();
  const endpoints = endpointCount();
  if (endpoints > capacity) {
    if (samples) {
      heap.free(samples);
      heap.free(scrapes);
      heap.free(counts);
    }
    capacity = 64;
    while (capacity < endpoints) capacity <<= 1;
    samples = heap.alloc(capacity * TICKS * 4);
    scrapes = heap.alloc(capacity * 8);
    counts = heap.alloc(capacity * 4);
  }
  memory.fill(times, 0, TICKS * 8);
  memory.fill(scrapes, 0, capacity * 8);
  for (let i: u32 = 0; i < endpoints; i++) store<i32>(counts + i * 4, counted(i));
}
