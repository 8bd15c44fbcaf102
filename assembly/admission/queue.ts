// Waiting requests, in the order in which they are let go:
//
//   level     what requests of one record share                              order among records
//   scope     the room that they wait for: of a pool, or of a model          none: scopes are independent
//   band      their priority                                                 the highest priority first
//   flow      their fairness id                                              in turn, one request each
//   request                                                                  first come, first served
//
// Memory is bounded: a request needs at most one record of each kind, so the queue has `capacity` records of each kind.
// Records are linked, never moved. Finding a flow walks through the flows of its band.
// Invariant: a request is in the queue exactly once from addWaiting() to the takeNext() or removeWaiting() that takes it out.

@unmanaged
export class Scope {
  key: u64 = 0;
  next: usize = 0;
  /** First of the scope's bands, which are linked from the highest priority down. */
  bands: usize = 0;
  /** Requests that may still be let go before the next look at the endpoints; below 0, this many have to end first. */
  room: i32 = 0;
  /** Requests that were let go at the last look. */
  recent: i32 = 0;
}

@unmanaged
class Band {
  scope: usize = 0;
  next: usize = 0;
  /** The flow whose turn is next. The flows of a band form a ring. */
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
export class WaitingRequest {
  /** Instant at which the request joined the queue, ns. */
  since: u64 = 0;
  /** The request's stream (filter/streams.ts). */
  stream: usize = 0;
  flow: usize = 0;
  next: usize = 0;
  previous: usize = 0;
  /** Neighbours in the list of all waiting requests, which is ordered by age. */
  newer: usize = 0;
  older: usize = 0;
  bytes: u32 = 0;
}

const SCOPE: usize = offsetof<Scope>();
const BAND: usize = offsetof<Band>();
const FLOW: usize = offsetof<Flow>();
const REQUEST: usize = offsetof<WaitingRequest>();
/** Bytes of one record of each kind. */
const RECORDS: usize = SCOPE + BAND + FLOW + REQUEST;

let capacity: u32 = 0;
let count: u32 = 0;
let bytes: u64 = 0;
let scopes: usize = 0;
let oldest: usize = 0;
let newest: usize = 0;
// The first free record of each kind. Free records are linked by `next`.
let freeScopes: usize = 0;
let freeBands: usize = 0;
let freeFlows: usize = 0;
let freeWaiting: usize = 0;

/** Makes room for `to` requests. Room never shrinks. Only a configuration may call this, because it allocates. */
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
    freeRequest(changetype<WaitingRequest>(at + SCOPE + BAND + FLOW));
  }
}

export function waitingCount(): u32 {
  return count;
}
/** Total bytes of the bodies of all waiting requests. */
export function waitingBytes(): u64 {
  return bytes;
}
/** The request that has waited longest; 0: the queue is empty. `newer` leads from a request to the next newer one. */
export function oldestWaiting(): usize {
  return oldest;
}
/** First of the scopes in which a request waits. The other scopes follow by `next`. */
export function firstScope(): usize {
  return scopes;
}

/** The scope with this key; null: no request waits in it. */
export function findScope(key: u64): Scope | null {
  for (let at = scopes; at; at = changetype<Scope>(at).next) {
    if (changetype<Scope>(at).key == key) return changetype<Scope>(at);
  }
  return null;
}

/** Adds a request behind the others of its flow. `size`: bytes of its body; `now`: ns. null: the queue is full. */
export function addWaiting(
  key: u64,
  priority: i32,
  fairness: u64,
  stream: usize,
  size: u32,
  now: u64,
): WaitingRequest | null {
  if (!freeWaiting) return null;
  const flow = flowOf(bandOf(scopeOf(key), priority), fairness);
  const request = changetype<WaitingRequest>(freeWaiting);
  freeWaiting = request.next;
  request.since = now;
  request.stream = stream;
  request.flow = changetype<usize>(flow);
  request.bytes = size;
  request.next = 0;
  request.previous = flow.last;
  if (flow.last) changetype<WaitingRequest>(flow.last).next = changetype<usize>(request);
  else flow.first = changetype<usize>(request);
  flow.last = changetype<usize>(request);
  request.newer = 0;
  request.older = newest;
  if (newest) changetype<WaitingRequest>(newest).newer = changetype<usize>(request);
  else oldest = changetype<usize>(request);
  newest = changetype<usize>(request);
  changetype<Band>(flow.band).count++;
  count++;
  bytes += size;
  return request;
}

/** The request whose turn it is in a scope. */
export function nextWaiting(scope: Scope): WaitingRequest {
  const band = changetype<Band>(scope.bands);
  return changetype<WaitingRequest>(changetype<Flow>(band.turn).first);
}

/** Takes nextWaiting() out and gives the turn to the next flow. True: the request was the scope's last, and the scope is gone. */
export function takeNext(scope: Scope): bool {
  const band = changetype<Band>(scope.bands);
  const flow = changetype<Flow>(band.turn);
  band.turn = flow.next;
  return removeWaiting(changetype<WaitingRequest>(flow.first));
}

/** The request that gives way to a request of this priority: the newest of the lowest band of all scopes; 0: no band is lower. */
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
  let last = changetype<WaitingRequest>(changetype<Flow>(first).last);
  for (let flow = changetype<Flow>(first).next; flow != first; flow = changetype<Flow>(flow).next) {
    const other = changetype<WaitingRequest>(changetype<Flow>(flow).last);
    if (other.since > last.since) last = other;
  }
  return changetype<usize>(last);
}

export function priorityOf(request: WaitingRequest): i32 {
  return changetype<Band>(changetype<Flow>(request.flow).band).priority;
}

/** Takes any waiting request out. True: the request was its scope's last, and the scope is gone. */
export function removeWaiting(request: WaitingRequest): bool {
  const flow = changetype<Flow>(request.flow);
  if (request.previous) changetype<WaitingRequest>(request.previous).next = request.next;
  else flow.first = request.next;
  if (request.next) changetype<WaitingRequest>(request.next).previous = request.previous;
  else flow.last = request.previous;
  if (request.older) changetype<WaitingRequest>(request.older).newer = request.newer;
  else oldest = request.newer;
  if (request.newer) changetype<WaitingRequest>(request.newer).older = request.older;
  else newest = request.older;
  count--;
  bytes -= request.bytes;
  changetype<Band>(flow.band).count--;
  freeRequest(request);
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

/** Finds or adds the flow of a fairness id. A new flow comes last in the ring: right before the flow whose turn is next. */
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
function freeRequest(record: WaitingRequest): void {
  record.next = freeWaiting;
  record.stream = 0;
  freeWaiting = changetype<usize>(record);
}
