// Requests that wait for room, in the order in which they are let go:
//
//   scope   whose room they wait for: a pool, or a model's endpoints         each by itself
//   band    priority                                                         the highest first
//   flow    fairness id                                                      in turn, one request each
//   held    the request                                                      first come, first served
//
// Bounded: every request needs at most one record of each kind, so four slabs of `capacity` records are all the memory there
// is. Records are linked, never moved. A flow is found by a walk through its band: as many steps as the band has flows.
// Invariant: a request is in the queue exactly once from add() to the one take() or remove() that returns it.

@unmanaged
export class Scope {
  key: u64 = 0;
  next: usize = 0;
  /** Highest first. */
  bands: usize = 0;
  /** Requests that may still be let go before the next look at the endpoints; below 0, this many have to end first. */
  room: i32 = 0;
  /** Let go at the last look. */
  recent: i32 = 0;
}

@unmanaged
class Band {
  scope: usize = 0;
  next: usize = 0;
  /** The flow whose turn is next, in a ring. */
  turn: usize = 0;
  priority: i32 = 0;
  count: u32 = 0;
}

@unmanaged
class Flow {
  fairness: u64 = 0;
  band: usize = 0;
  next: usize = 0;
  previous: usize = 0;
  first: usize = 0;
  last: usize = 0;
}

@unmanaged
export class Held {
  /** When it came, ns. */
  since: u64 = 0;
  /** filter/streams.ts Stream. */
  stream: usize = 0;
  flow: usize = 0;
  next: usize = 0;
  previous: usize = 0;
  /** Among all held requests, by age. */
  newer: usize = 0;
  older: usize = 0;
  bytes: u32 = 0;
}

const SCOPE: usize = offsetof<Scope>();
const BAND: usize = offsetof<Band>();
const FLOW: usize = offsetof<Flow>();
const HELD: usize = offsetof<Held>();
/** One of each. */
const RECORDS: usize = SCOPE + BAND + FLOW + HELD;

let capacity: u32 = 0;
let count: u32 = 0;
let bytes: u64 = 0;
let scopes: usize = 0;
let oldest: usize = 0;
let newest: usize = 0;
// Free records of each kind, linked by their `next`.
let freeScopes: usize = 0;
let freeBands: usize = 0;
let freeFlows: usize = 0;
let freeHeld: usize = 0;

/** Room for this many requests from now on; never less than before. For configurations only: it allocates. */
export function growQueue(to: u32): void {
  if (to <= capacity) return;
  const more = to - capacity;
  capacity = to;
  const slab = heap.alloc(<usize>more * RECORDS);
  for (let i: u32 = 0; i < more; i++) {
    const at = slab + <usize>i * RECORDS;
    freeScope(changetype<Scope>(at));
    freeBand(changetype<Band>(at + SCOPE));
    freeFlow(changetype<Flow>(at + SCOPE + BAND));
    freeOne(changetype<Held>(at + SCOPE + BAND + FLOW));
  }
}

export function heldCount(): u32 {
  return count;
}
/** Of the bodies of all held requests. */
export function heldBytes(): u64 {
  return bytes;
}
/** The request that waits longest; 0: none. The next one is its `newer`. */
export function oldestHeld(): usize {
  return oldest;
}
/** First of the scopes in which a request waits; the others follow by `next`. */
export function firstScope(): usize {
  return scopes;
}

/** null when nothing waits there. */
export function findScope(key: u64): Scope | null {
  for (let at = scopes; at; at = changetype<Scope>(at).next) {
    if (changetype<Scope>(at).key == key) return changetype<Scope>(at);
  }
  return null;
}

/** Adds a request behind the others of its flow; null when there is no room. */
export function addHeld(key: u64, priority: i32, fairness: u64, stream: usize, size: u32, now: u64): Held | null {
  if (!freeHeld) return null;
  const flow = flowOf(bandOf(scopeOf(key), priority), fairness);
  const held = changetype<Held>(freeHeld);
  freeHeld = held.next;
  held.since = now;
  held.stream = stream;
  held.flow = changetype<usize>(flow);
  held.bytes = size;
  held.next = 0;
  held.previous = flow.last;
  if (flow.last) changetype<Held>(flow.last).next = changetype<usize>(held);
  else flow.first = changetype<usize>(held);
  flow.last = changetype<usize>(held);
  held.newer = 0;
  held.older = newest;
  if (newest) changetype<Held>(newest).newer = changetype<usize>(held);
  else oldest = changetype<usize>(held);
  newest = changetype<usize>(held);
  changetype<Band>(flow.band).count++;
  count++;
  bytes += size;
  return held;
}

/** The request whose turn it is in a scope. */
export function nextHeld(scope: Scope): Held {
  const band = changetype<Band>(scope.bands);
  return changetype<Held>(changetype<Flow>(band.turn).first);
}

/** Takes that request out; the next turn is another flow's. Whether it was the scope's last, which is gone then. */
export function takeNext(scope: Scope): bool {
  const band = changetype<Band>(scope.bands);
  const flow = changetype<Flow>(band.turn);
  band.turn = flow.next;
  return removeHeld(changetype<Held>(flow.first));
}

/** The request that gives way to one of a higher priority: the newest of the lowest band of all scopes; 0 if none is below. */
export function lowestBelow(priority: i32): usize {
  let lowest: usize = 0;
  for (let at = scopes; at; at = changetype<Scope>(at).next) {
    let band = changetype<Scope>(at).bands;
    while (changetype<Band>(band).next) band = changetype<Band>(band).next;
    if (changetype<Band>(band).priority >= priority) continue;
    if (lowest && changetype<Band>(lowest).priority <= changetype<Band>(band).priority) continue;
    lowest = band;
  }
  if (!lowest) return 0;
  const first = changetype<Band>(lowest).turn;
  let last = changetype<Held>(changetype<Flow>(first).last);
  for (let flow = changetype<Flow>(first).next; flow != first; flow = changetype<Flow>(flow).next) {
    const other = changetype<Held>(changetype<Flow>(flow).last);
    if (other.since > last.since) last = other;
  }
  return changetype<usize>(last);
}

export function priorityOf(held: Held): i32 {
  return changetype<Band>(changetype<Flow>(held.flow).band).priority;
}

/** Takes a request out, wherever it stands. Whether it was the last of its scope, which is gone then. */
export function removeHeld(held: Held): bool {
  const flow = changetype<Flow>(held.flow);
  if (held.previous) changetype<Held>(held.previous).next = held.next;
  else flow.first = held.next;
  if (held.next) changetype<Held>(held.next).previous = held.previous;
  else flow.last = held.previous;
  if (held.older) changetype<Held>(held.older).newer = held.newer;
  else oldest = held.newer;
  if (held.newer) changetype<Held>(held.newer).older = held.older;
  else newest = held.older;
  count--;
  bytes -= held.bytes;
  changetype<Band>(flow.band).count--;
  freeOne(held);
  return flow.first ? false : closeFlow(flow);
}

function closeFlow(flow: Flow): bool {
  const band = changetype<Band>(flow.band);
  changetype<Flow>(flow.previous).next = flow.next;
  changetype<Flow>(flow.next).previous = flow.previous;
  if (band.turn == changetype<usize>(flow)) band.turn = flow.next;
  freeFlow(flow);
  return band.count > 0 ? false : closeBand(band);
}

function closeBand(band: Band): bool {
  const scope = changetype<Scope>(band.scope);
  if (scope.bands == changetype<usize>(band)) scope.bands = band.next;
  else {
    let before = changetype<Band>(scope.bands);
    while (before.next != changetype<usize>(band)) before = changetype<Band>(before.next);
    before.next = band.next;
  }
  freeBand(band);
  if (scope.bands) return false;
  if (scopes == changetype<usize>(scope)) scopes = scope.next;
  else {
    let before = changetype<Scope>(scopes);
    while (before.next != changetype<usize>(scope)) before = changetype<Scope>(before.next);
    before.next = scope.next;
  }
  freeScope(scope);
  return true;
}

function scopeOf(key: u64): Scope {
  const known = findScope(key);
  if (known !== null) return known;
  const scope = changetype<Scope>(freeScopes);
  freeScopes = scope.next;
  scope.key = key;
  scope.bands = 0;
  scope.room = 0;
  scope.recent = 0;
  scope.next = scopes;
  scopes = changetype<usize>(scope);
  return scope;
}

function bandOf(scope: Scope, priority: i32): Band {
  let before: usize = 0;
  let at = scope.bands;
  for (; at && changetype<Band>(at).priority > priority; at = changetype<Band>(at).next) before = at;
  if (at && changetype<Band>(at).priority == priority) return changetype<Band>(at);
  const band = changetype<Band>(freeBands);
  freeBands = band.next;
  band.scope = changetype<usize>(scope);
  band.turn = 0;
  band.priority = priority;
  band.count = 0;
  band.next = at;
  if (before) changetype<Band>(before).next = changetype<usize>(band);
  else scope.bands = changetype<usize>(band);
  return band;
}

/** A new flow comes last in the ring: right before the one whose turn is next. */
function flowOf(band: Band, fairness: u64): Flow {
  const turn = band.turn;
  if (turn) {
    let at = turn;
    do {
      if (changetype<Flow>(at).fairness == fairness) return changetype<Flow>(at);
      at = changetype<Flow>(at).next;
    } while (at != turn);
  }
  const flow = changetype<Flow>(freeFlows);
  freeFlows = flow.next;
  flow.fairness = fairness;
  flow.band = changetype<usize>(band);
  flow.first = 0;
  flow.last = 0;
  const self = changetype<usize>(flow);
  if (!turn) {
    flow.next = self;
    flow.previous = self;
    band.turn = self;
    return flow;
  }
  flow.next = turn;
  flow.previous = changetype<Flow>(turn).previous;
  changetype<Flow>(flow.previous).next = self;
  changetype<Flow>(turn).previous = self;
  return flow;
}

function freeScope(record: Scope): void {
  record.next = freeScopes;
  freeScopes = changetype<usize>(record);
}
function freeBand(record: Band): void {
  record.next = freeBands;
  freeBands = changetype<usize>(record);
}
function freeFlow(record: Flow): void {
  record.next = freeFlows;
  freeFlows = changetype<usize>(record);
}
function freeOne(record: Held): void {
  record.next = freeHeld;
  record.stream = 0;
  freeHeld = changetype<usize>(record);
}
