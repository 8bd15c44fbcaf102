// One record for each open stream, found by its context id. Records are taken from slabs and reused; the id table grows by
// doubling. There are at most MAX_STREAMS records. What becomes of a stream beyond them, which has no record:
//   a request             passes unread, and pilotfish_untracked counts it (request/request.ts)
//   a push                gets a 503 (reserved/reserved.ts)
//   a request by the id   goes on to the owner. The filter does not count it there, and its response keeps the served model's
//   of a response         name (request/asked-name.ts; Responses API)

/** Nothing more is done with the request; its bytes pass. */
export const PHASE_PASS: u32 = 0;
/** Headers are held, the JSON body is being scanned. */
export const PHASE_SCAN: u32 = 1;
/** A snapshot is being pushed on the reserved path. */
export const PHASE_PUSH: u32 = 2;
/** The request went on; the response may show which endpoint answered. */
export const PHASE_SENT: u32 = 3;
/** Answered by the filter. */
export const PHASE_REPLIED: u32 = 4;
/** Headers are held, the multipart/form-data body is being scanned. */
export const PHASE_MULTIPART: u32 = 5;
/** All but the pick is decided: the request waits for room (filter/request/hold.ts). */
export const PHASE_WAITING: u32 = 6;

/** Stream.named: `priority` comes from the rule for the client's name. */
export const NAMED_PRIORITY: u32 = 1;

export const MAX_STREAMS: u32 = 65536;
const SLAB_STREAMS: u32 = 64;

/**
 * A new stream has zeros in all fields behind `root`. Pointers are to memory that stays while the stream is open, or 0. The
 * fields are grouped by the file of filter/ that owns them.
 */
@unmanaged
export class Stream {
  // This file.
  id: u32 = 0;
  /** Bytes of the record after Stream: the scanner's state. */
  stateBytes: u32 = 0;
  /** Next free record. */
  next: usize = 0;
  /** Record of the root context (root.ts). */
  root: usize = 0;

  // request/request.ts: the phase and the body.
  phase: u32 = 0;
  /** 1: the request has a content-length. */
  hasLength: u32 = 0;
  /** Bytes of the body that have come. */
  buffered: u32 = 0;
  /** Bytes of the body that the scanner consumed. */
  consumed: u32 = 0;

  // setup/no-bodies.ts
  /** Ticks of waiting for the body's first byte. */
  waited: u32 = 0;

  // request/ask.ts: what is asked for.
  /** The client's name for the model, in the scanner's state. */
  name: usize = 0;
  nameLength: u32 = 0;
  /** What goes into the model's header. */
  header: usize = 0;
  headerLength: u32 = 0;
  /** The model that is picked for. */
  served: usize = 0;
  servedLength: u32 = 0;
  /** route/configured-rules.ts Target that replaced the client's name; 0: the name stayed. */
  target: usize = 0;
  /** By the objective or the rule for the client's name. */
  priority: i32 = 0;
  /** NAMED_ flags. */
  named: u32 = 0;
  /** endpoints/cache/prompt.ts Prompt until the request is sent; 0: its prompt is not hashed. */
  prompt: usize = 0;
  /** Hash of the session that the request names; 0: none. */
  session: u64 = 0;

  // request/admit.ts
  /** Hashes of the objective that the request names and of its fairness id; 0: none. */
  objective: u64 = 0;
  fairness: u64 = 0;
  /** Whose room the request takes or waits for (request/scope.ts); 0: nobody waits for any. */
  scope: u64 = 0;

  // request/hold.ts
  /** Record in admission/queue.ts; 0: the request does not wait. */
  waiting: usize = 0;

  // request/forward.ts: what was counted for the pick.
  /** Hash of the endpoint that the request is counted on, as finished() needs it; 0: of none. */
  countedOn: u64 = 0;
  /** endpoints/in-flight.ts publishGeneration() when it was counted. */
  generation: u32 = 0;
  /** host/tick-time.ts ticks() when it was counted. */
  sentTick: u32 = 0;
  /** Hash of the model that it was sent to. */
  model: u64 = 0;
  /** When it was sent, ns; from the first byte on, when that came. 0: not known. */
  sentAt: u64 = 0;
  /** Uncached tokens that the request added to its endpoint; 0 once its first byte came. */
  uncachedTokens: i32 = 0;
  /** Seconds until its first byte, as predicted at the pick (endpoints/speed.ts). */
  predicted: f32 = 0;
  /** The prompt while the request is in flight (endpoints/cache/running-prompts.ts); 0: it is not followed. */
  runningPrompt: usize = 0;
  /** Dry run: hash of the endpoint that would have been picked. */
  wouldPick: u64 = 0;
  /** request/explanation.ts: 1 + the slot of its text; 0: none. */
  explanationSlot: u32 = 0;
  /** 1: its response is streamed. Until the response's headers: a streamed response was asked for. */
  streamed: u32 = 0;

  // response/response.ts, response/outcome.ts, response/served.ts
  /** 0: no response yet; 1: its headers have come; 2: it is whole. */
  answered: u32 = 0;
  /** 1: the response is a failure. */
  failed: u32 = 0;
  /** 1: nobody asked yet which endpoint served the request. */
  unverified: u32 = 0;

  // response/learn-response.ts
  /** 1: the request creates a response of the Responses API. */
  creates: u32 = 0;
  /** 1 + how many bytes of the pattern the last chunk ended with; 0: nothing is searched. */
  learning: u32 = 0;
  /** Bytes that were searched for the id. */
  searched: u32 = 0;
  /** The id's hash so far. */
  learntId: u64 = 0;

  // response/rename.ts
  /** How much of the pattern the last chunk ended with, and its flags. */
  matched: u32 = 0;
  matchFlags: u32 = 0;
}

const RECORD_BYTES: u32 = offsetof<Stream>();
const CLEARED_FROM: u32 = offsetof<Stream>("phase");

/** State of every new record. Rises with the configurations. */
let stateBytes: u32 = 0;
let free: usize = 0;
let open: u32 = 0;
let allocated: u32 = 0;

let table: usize = 0;
let mask: u32 = 0;

/** Every record that is opened from now on has at least this much state. Free records that are smaller are given up. */
export function needStateBytes(bytes: u32): void {
  if (bytes <= stateBytes) return;
  stateBytes = (bytes + 7) & ~7;
  for (; free; free = changetype<Stream>(free).next) allocated--;
}

/** The scanner's state of a stream. */
export function stateOf(stream: Stream): usize {
  return changetype<usize>(stream) + RECORD_BYTES;
}

/** null: too many streams are open. */
export function openStream(id: u32, root: usize): Stream | null {
  if (!free && !grow()) return null;
  if ((open + 1) * 4 > (table ? (mask + 1) * 3 : 0)) growTable();
  const stream = changetype<Stream>(free);
  free = stream.next;
  memory.fill(changetype<usize>(stream) + CLEARED_FROM, 0, RECORD_BYTES - CLEARED_FROM);
  stream.id = id;
  stream.root = root;
  open++;
  enter(stream);
  return stream;
}

export function findStream(id: u32): Stream | null {
  if (!table) return null;
  let i = slot(id);
  while (true) {
    const stream = load<usize>(table + i * sizeof<usize>());
    if (!stream) return null;
    if (changetype<Stream>(stream).id == id) return changetype<Stream>(stream);
    i = (i + 1) & mask;
  }
}

export function closeStream(stream: Stream): void {
  let hole = slot(stream.id);
  while (load<usize>(table + hole * sizeof<usize>()) != changetype<usize>(stream)) hole = (hole + 1) & mask;
  // Moves later records of the same run forward, so that a search never meets a hole before its end.
  let i = hole;
  while (true) {
    i = (i + 1) & mask;
    const other = load<usize>(table + i * sizeof<usize>());
    if (!other) break;
    const home = slot(changetype<Stream>(other).id);
    if (((i - home) & mask) < ((i - hole) & mask)) continue;
    store<usize>(table + hole * sizeof<usize>(), other);
    hole = i;
  }
  store<usize>(table + hole * sizeof<usize>(), 0);
  open--;
  if (stream.stateBytes < stateBytes) {
    allocated--;
    return;
  }
  stream.next = free;
  free = changetype<usize>(stream);
}

/** The records of all open streams, one after the other: call with 0 first; null after the last. */
export function nextStream(after: Stream | null): Stream | null {
  if (!table) return null;
  let i: u32 = 0;
  if (after !== null) {
    i = slot(after.id);
    while (load<usize>(table + i * sizeof<usize>()) != changetype<usize>(after)) i = (i + 1) & mask;
    i++;
  }
  for (; i <= mask; i++) {
    const stream = load<usize>(table + i * sizeof<usize>());
    if (stream) return changetype<Stream>(stream);
  }
  return null;
}

export function openStreams(): u32 {
  return open;
}

/** Home of an id in the table. An odd multiplier permutes the low bits. */
function slot(id: u32): u32 {
  return (id * 0x9e3779b1) & mask;
}

function enter(stream: Stream): void {
  let i = slot(stream.id);
  while (load<usize>(table + i * sizeof<usize>())) i = (i + 1) & mask;
  store<usize>(table + i * sizeof<usize>(), changetype<usize>(stream));
}

function grow(): bool {
  if (allocated >= MAX_STREAMS) return false;
  const bytes = RECORD_BYTES + stateBytes;
  const slab = heap.alloc(bytes * SLAB_STREAMS);
  for (let i: u32 = 0; i < SLAB_STREAMS; i++) {
    const stream = changetype<Stream>(slab + i * bytes);
    stream.stateBytes = stateBytes;
    stream.next = free;
    free = changetype<usize>(stream);
  }
  allocated += SLAB_STREAMS;
  return true;
}

function growTable(): void {
  const old = table;
  const oldCapacity = old ? mask + 1 : 0;
  const capacity = old ? oldCapacity * 2 : 256;
  table = heap.alloc(capacity * sizeof<usize>());
  memory.fill(table, 0, capacity * sizeof<usize>());
  mask = capacity - 1;
  for (let i: u32 = 0; i < oldCapacity; i++) {
    const stream = load<usize>(old + i * sizeof<usize>());
    if (stream) enter(changetype<Stream>(stream));
  }
  if (old) heap.free(old);
}
