// One record per open stream, found by its context id. Records are taken from slabs and reused; the id table grows by
// doubling. Both stop at MOST_STREAMS: beyond, a stream has no record and is passed on unread, which is counted.

/** What the stream waits for. */
export const PHASE_PASS: u32 = 0;
/** Headers are held, the JSON body is being scanned. */
export const PHASE_SCAN: u32 = 1;
/** Headers are held, the multipart/form-data body is being scanned. */
export const PHASE_MULTIPART: u32 = 5;
/** A snapshot is being pushed on the reserved path. */
export const PHASE_PUSH: u32 = 2;
/** The request went on; the response may tell who answered. */
export const PHASE_SENT: u32 = 3;
/** Answered by the filter. */
export const PHASE_REPLIED: u32 = 4;
/** Decided but for the pick: the request waits for room (filter/request/hold.ts). */
export const PHASE_HELD: u32 = 6;

/** Stream.named: `priority` comes from the rule for the client's name. */
export const NAMED_PRIORITY: u32 = 1;

export const MOST_STREAMS: u32 = 65536;
const SLAB_STREAMS: u32 = 64;

@unmanaged
export class Stream {
  /** What finished() needs; 0 when the stream is not counted on an endpoint. */
  counted: u64 = 0;
  id: u32 = 0;
  phase: u32 = 0;
  /** Root context's record. */
  root: usize = 0;
  /** Next free record. */
  next: usize = 0;
  /** Bytes of the record after Stream. */
  stateBytes: u32 = 0;
  /** Bytes of the body that the scanner consumed. */
  consumed: u32 = 0;
  /** Bytes of the body that have come. */
  buffered: u32 = 0;
  /** endpoints/cache/prompt.ts Prompt while the body is scanned; 0: its prompt is not hashed. */
  prompt: usize = 0;
  /** The same while the request is under way (endpoints/cache/running-prompts.ts); 0: it is not followed. */
  lasting: usize = 0;
  /** endpoints/in-flight.ts publishGeneration() when it was counted. */
  since: u32 = 0;
  /** host/tick-time.ts ticks() when it was counted; 1: nobody asked yet who served it (filter/response/served.ts). */
  decidedIn: u32 = 0;
  unasked: u32 = 0;
  /** Uncached tokens that the request added to its endpoint; 0 once its first byte came. */
  tokens: i32 = 0;
  /** Seconds until its first byte, as predicted at the pick (endpoints/speed.ts). */
  predicted: f32 = 0;
  /** When it was sent, ns; from the first byte on, when that came. 0: not known. */
  sentAt: u64 = 0;
  /** Hash of the session that it names; 0: none. */
  session: u64 = 0;
  /** 1: its answer is streamed; until the answer's headers, that it was asked to be. */
  streamed: u32 = 0;
  /** 0: no answer yet; 1: its headers have come; 2: it is whole. */
  answered: u32 = 0;
  /** 1: its answer is a failure. */
  failed: u32 = 0;
  /** Hash of the model that it was sent to. */
  model: u64 = 0;
  /** Dry run: hash of the endpoint that would have been picked. */
  wouldPick: u64 = 0;
  /** filter/request/explanation.ts: 1 + its place there. */
  explanation: u32 = 0;
  /** filter/response/learn-response.ts: 1: it creates a response; how far its answer was searched for the id, and the id's hash so far. */
  creates: u32 = 0;
  learning: u32 = 0;
  searched: u32 = 0;
  learnt: u64 = 0;
  /** Ticks of waiting for the body's first byte. */
  waited: u32 = 0;
  /** 1: the request has a content-length. */
  hasLength: u32 = 0;
  /** The client's name for the model, in the scanner's state. */
  name: usize = 0;
  nameLength: u32 = 0;
  /** route/names.ts Target that took the place of the client's name; 0 when the name stayed. */
  target: usize = 0;
  /** filter/response/rename.ts: how much of the pattern the answer's last chunk ended with, and its flags. */
  matched: u32 = 0;
  matchFlags: u32 = 0;
  /** What goes into the model's header, and the model that is picked for; bytes that stay while the stream is open. */
  header: usize = 0;
  headerLength: u32 = 0;
  served: usize = 0;
  servedLength: u32 = 0;
  /** Hashes of the objective that the request names and of its fairness id; 0: none. */
  objective: u64 = 0;
  fairness: u64 = 0;
  /** Whose room it takes or waits for (filter/request/admit.ts); 0: nobody waits for any. */
  scope: u64 = 0;
  /** admission/queue.ts Held; 0 when it is not held. */
  held: usize = 0;
  priority: i32 = 0;
  named: u32 = 0;
}

const RECORD_BYTES: u32 = offsetof<Stream>();

/** Of every new record: Stream, then the scanner's state. Rises with the configurations. */
let stateBytes: u32 = 0;
let free: usize = 0;
let open: u32 = 0;
let allocated: u32 = 0;

let table: usize = 0;
let mask: u32 = 0;

/** At least this much state in every record from now on. Free records that are smaller are given up. */
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
  stream.id = id;
  stream.phase = PHASE_PASS;
  stream.root = root;
  stream.counted = 0;
  stream.consumed = 0;
  stream.buffered = 0;
  stream.hasLength = 0;
  stream.waited = 0;
  stream.prompt = 0;
  stream.lasting = 0;
  stream.unasked = 0;
  stream.tokens = 0;
  stream.sentAt = 0;
  stream.session = 0;
  stream.wouldPick = 0;
  stream.explanation = 0;
  stream.creates = 0;
  stream.learning = 0;
  stream.streamed = 0;
  stream.answered = 0;
  stream.failed = 0;
  stream.name = 0;
  stream.nameLength = 0;
  stream.target = 0;
  stream.matched = 0;
  stream.matchFlags = 0;
  stream.objective = 0;
  stream.fairness = 0;
  stream.scope = 0;
  stream.held = 0;
  stream.priority = 0;
  stream.named = 0;
  open++;
  place(stream);
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

/** Fibonacci hashing would take the high bits; odd multipliers permute the low ones as well. */
function slot(id: u32): u32 {
  return (id * 0x9e3779b1) & mask;
}

function place(stream: Stream): void {
  let i = slot(stream.id);
  while (load<usize>(table + i * sizeof<usize>())) i = (i + 1) & mask;
  store<usize>(table + i * sizeof<usize>(), changetype<usize>(stream));
}

function grow(): bool {
  if (allocated >= MOST_STREAMS) return false;
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
    if (stream) place(changetype<Stream>(stream));
  }
  if (old) heap.free(old);
}
