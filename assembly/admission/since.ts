// How many more requests an endpoint has now than when the sidecar scraped it: requests that this Envoy sent since, less
// requests that ended. A scrape is some ticks old when its snapshot is taken over. So this module remembers the counts of the
// last ticks, and assumes that a scrape saw the count of the tick before it.
//
//   more(p) = counted(p) now - counted(p) at the last tick before p was scraped
//
// Bound of the error: the requests that began or ended
//   within that tick (20 ms; 200 ms if the worker was idle, filter/on-tick.ts),
//   on other workers since these last published (40 ms), and
//   in the time by which this push took longer than the push before: a scrape's instant is calculated from its arrival.
// Memory: TICKS * 4 + 16 bytes for each endpoint.
import { UNKNOWN } from "../../protocol/constants";
import { endpointCount, topologyHash } from "../endpoints/entries";
import { counted } from "../endpoints/in-flight";
import { SnapshotView } from "../snapshot/view";

const TICKS: u32 = 16;
const MIN_CAPACITY: u32 = 64;
/** Pushes take unequal times, so one scrape seems to have another instant in each snapshot. Instants this close, ns, are equal. */
const SAME: u64 = 4000000;

/** The last scrape of an endpoint. */
@unmanaged
class Scrape {
  /** Instant of the scrape, ns. */
  at: u64 = 0;
  /** The value of counted() at the scrape. */
  count: i32 = 0;
}

const SCRAPE_BYTES: u32 = (<u32>offsetof<Scrape>() + 7) & ~7;

/** An i32 for each tick and endpoint: the value of counted(). */
let samples: usize = 0;
/** A u64 for each tick: the instant of its samples, ns; 0: the tick has no samples. */
const times: usize = memory.data(TICKS * 8, 8);
/** A Scrape for each endpoint. */
let scrapes: usize = 0;
let capacity: u32 = 0;
let topology: u64 = 0;
/** The tick that was sampled last. */
let newest: u32 = 0;
let used: bool = false;

/** Makes this worker remember counts from now on. */
export function useSince(): void {
  used = true;
}

/** Whether this worker has ever compared scrapes with counts: a request waited, or had a priority below 0. */
export function usedSince(): bool {
  return used;
}

/** Remembers all counts for the tick `now`, ns. The tick calls this after it received the other workers' counts. */
export function sampleCounts(now: u64): void {
  if (!used || endpointCount() == 0) return;
  fit();
  newest = (newest + 1) % TICKS;
  store<u64>(times + newest * 8, now);
  const row = samples + newest * capacity * 4;
  for (let i: u32 = 0; i < endpointCount(); i++) store<i32>(row + i * 4, counted(i));
}

/** Takes the scrapes of a snapshot that the filter received at `received`, ns. */
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

/** The newest sample at or before the instant `at`; the oldest sample if all are later. */
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

/** Starts again with the current counts if the snapshot has other endpoints, or the same endpoints in another order. */
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
