// How many more requests are on each endpoint than when it was scraped: what this Envoy sent since then, less what ended.
// A snapshot is older than it looks: its endpoints were scraped, then it was pushed, then taken over on a tick. So counts are
// remembered for the last ticks. A scrape saw the count of the tick before it.
//
//   more(p) = counted(p) now - counted(p) at the last tick before p was scraped
//
// Bound: what ended or was sent within that tick (20 ms; 200 ms where the worker was idle, filter/on-tick.ts), what the other
// workers have not published yet (40 ms), and what was sent in the time by which one push took longer than the push before: the
// instant of a scrape is worked out from when the snapshot came.
// Memory: TICKS * 4 + 16 bytes for each endpoint.
import { UNKNOWN } from "../../protocol/constants";
import { endpointCount, topologyHash } from "../endpoints/entries";
import { counted } from "../endpoints/in-flight";
import { SnapshotView } from "../snapshot/view";

const TICKS: u32 = 16;
const MIN_CAPACITY: u32 = 64;
/** The same scrape in a later snapshot seems a little older or younger, by what the push took: up to this many ns. */
const SAME: u64 = 4000000;

/** The last scrape of an endpoint. */
@unmanaged
class Scrape {
  /** ns */
  at: u64 = 0;
  /** counted() that it saw. */
  count: i32 = 0;
}

const SCRAPE_BYTES: u32 = (<u32>offsetof<Scrape>() + 7) & ~7;

/** i32 for each tick and endpoint: counted(). */
let samples: usize = 0;
/** u64 for each tick: ns of its samples; 0: none. */
const times: usize = memory.data(TICKS * 8, 8);
/** A Scrape for each endpoint. */
let scrapes: usize = 0;
let capacity: u32 = 0;
let topology: u64 = 0;
/** The tick that was sampled last. */
let newest: u32 = 0;
let used: bool = false;

/** From now on counts are remembered. */
export function useSince(): void {
  used = true;
}

/** On the tick `now`, ns, when the other workers' counts have been received. */
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
    const scrape = scrapeOf(i);
    if (at < scrape.at + SAME) continue;
    scrape.at = at;
    scrape.count = countAt(i, at);
  }
}

/** The newest sample that is not younger than `at`; the oldest sample when all are. */
function countAt(endpoint: u32, at: u64): i32 {
  let tick = newest;
  for (let back: u32 = 0; back < TICKS; back++) {
    const candidate = (newest + TICKS - back) % TICKS;
    const time = load<u64>(times + candidate * 8);
    if (time == 0) break;
    tick = candidate;
    if (time <= at) break;
  }
  return load<u64>(times + tick * 8) == 0 ? counted(endpoint) : load<i32>(samples + (tick * capacity + endpoint) * 4);
}

export function moreThanScraped(endpoint: u32): i32 {
  return used && topology == topologyHash() ? counted(endpoint) - scrapeOf(endpoint).count : 0;
}

function scrapeOf(endpoint: u32): Scrape {
  return changetype<Scrape>(scrapes + endpoint * SCRAPE_BYTES);
}

/** Other endpoints, or another order: all of them begin with what is counted now. */
function fit(): void {
  if (topology == topologyHash()) return;
  topology = topologyHash();
  const endpoints = endpointCount();
  if (endpoints > capacity) {
    if (samples) {
      heap.free(samples);
      heap.free(scrapes);
    }
    capacity = MIN_CAPACITY;
    while (capacity < endpoints) capacity <<= 1;
    samples = heap.alloc(capacity * TICKS * 4);
    scrapes = heap.alloc(capacity * SCRAPE_BYTES);
  }
  memory.fill(times, 0, TICKS * 8);
  memory.fill(scrapes, 0, capacity * SCRAPE_BYTES);
  for (let i: u32 = 0; i < endpoints; i++) scrapeOf(i).count = counted(i);
}
