// One record for each open stream, found by the stream's context id. Records come from slabs and are reused. The id table doubles
// when it is three quarters full. There are at most MAX_STREAMS records. A stream that finds no free record is treated as follows:
//   a request             passes unread, and pilotfish_untracked counts it (request/request.ts)
//   a push                gets a 503 (reserved/reserved.ts)
//   a request by the id   goes on to the owner. The filter does not count it there, and its response keeps the served model's
//   of a response         name (request/asked-name.ts; Responses API)

// The phases of a stream.

/** The filter does nothing more with the request and passes its bytes on. */
export const PHASE_PASS: u32 = 0;
/** The filter has stopped the headers and scans the JSON body. */
export const PHASE_SCAN: u32 = 1;
/** The body on the reserved path is a snapshot that a sidecar pushes. */
export const PHASE_PUSH: u32 = 2;
/** The filter sent the request on. The response may show which endpoint answered. */
export const PHASE_SENT: u32 = 3;
/** The filter answered the request with a local reply. */
export const PHASE_REPLIED: u32 = 4;
/** The filter has stopped the headers and scans the multipart/form-data body. */
export const PHASE_MULTIPART: u32 = 5;
/** The request waits for room (filter/request/hold.ts). Everything but the pick is decided. */
export const PHASE_WAITING: u32 = 6;
/** A sidecar's request for a traffic report waits for news (filter/reserved/polls.ts). */
export const PHASE_POLL: u32 = 7;

/** Flag of Stream.named: `priority` comes from the rule for the client's name. */
export const NAMED_PRIORITY: u32 = 1;

export const MAX_STREAMS: u32 = 65536;
const SLAB_STREAMS: u32 = 64;

/**
 * All fields after `root` are 0 in a new stream. A pointer is 0, or its memory stays allocated while the stream is open. A comment
 * above each group of fields names the file of filter/ that owns the group.
 */
@unmanaged
export class Stream {
  // streams.ts: the record itself.
  id: u32 = 0;
  /** Bytes of the scanner's state, which follows the fields of Stream in memory. */
  stateBytes: u32 = 0;
  /** The next record in the list of free records. */
  next: usize = 0;
  /** Record of the root context (root.ts). */
  root: usize = 0;

  // request/request.ts: the phase and the body.
  phase: u32 = 0;
  /** 1: the request has a content-length. */
  hasLength: u32 = 0;
  /** Bytes of the body that Envoy has received and buffered. */
  buffered: u32 = 0;
  /** Bytes of the body that the scanner consumed. */
  consumed: u32 = 0;

  // setup/no-bodies.ts
  /** Number of ticks that the stream has waited for the body's first byte. */
  waited: u32 = 0;

  // request/ask.ts: what the request asks for.
  /** The client's name for the model, in the scanner's state. */
  name: usize = 0;
  nameLength: u32 = 0;
  /** The value of the model's header. */
  header: usize = 0;
  headerLength: u32 = 0;
  /** The model that the pick is for. */
  served: usize = 0;
  servedLength: u32 = 0;
  /** Target (route/configured-rules.ts) that replaced the client's name; 0: the name stayed. */
  target: usize = 0;
  /** The request's priority, from its objective or from the rule for the client's name. */
  priority: i32 = 0;
  /** Flags NAMED_... */
  named: u32 = 0;
  /** Prompt (endpoints/cache/prompt.ts) until the request is sent; 0: the filter does not hash the prompt. */
  prompt: usize = 0;
  /** Hash of the session that the request names; 0: none. */
  session: u64 = 0;

  // request/admit.ts
  /** Hash of the objective that the request names, and hash of the request's fairness id; 0: the request has none. */
  objective: u64 = 0;
  fairness: u64 = 0;
  /** Key of the scope whose room the request takes or waits for (request/scope.ts); 0: admission does not count the request. */
  scope: u64 = 0;

  // request/hold.ts
  /** WaitingRequest (admission/queue.ts); 0: the request does not wait. */
  waiting: usize = 0;

  // request/forward.ts: what the filter counted for the pick.
  /** Hash of the endpoint that the request is counted on, as finished() expects it; 0: the request is counted on no endpoint. */
  countedOn: u64 = 0;
  /** The value of publishGeneration() (endpoints/in-flight.ts) when the request was counted. */
  generation: u32 = 0;
  /** The value of ticks() (host/tick-time.ts) when the request was counted. */
  sentTick: u32 = 0;
  /** Hash of the model that the request was sent to. */
  model: u64 = 0;
  /** When the request was sent, ns. After the response's first byte: when that byte came. 0: not known. */
  sentAt: u64 = 0;
  /** Uncached tokens that the request added to its endpoint; 0 once the response's first byte came. */
  uncachedTokens: i32 = 0;
  /** Seconds until the response's first byte, as the pick predicted them (endpoints/speed.ts); 0: nothing is learned from the time. */
  predicted: f32 = 0;
  /** The running prompt of this in-flight request (endpoints/cache/running-prompts.ts); 0: the request has none. */
  runningPrompt: usize = 0;
  /** Hash of the endpoint that a dry run picked; 0: none. */
  wouldPick: u64 = 0;
  /** 1 + the slot of the explanation (request/explanation.ts); 0: the request gets no explanation. */
  explanationSlot: u32 = 0;
  /** 1: the response is streamed. Before the response's headers: the request asks for a streamed response. */
  streamed: u32 = 0;

  // measure.ts
  /** Number of the sums of the model (endpoints/model-sums.ts); 0: the request is not measured. */
  sums: u32 = 0;
  /** Prompt tokens that the pick expected the endpoint to have cached. */
  cachedTokens: u32 = 0;
  /** Uncached tokens that were ahead of the request on its endpoint, and its own. Only for a streamed response. */
  tokensAhead: f32 = 0;
  /** Counts of the prompt's bytes by class (endpoints/cache/byte-classes.ts). */
  promptLower: u32 = 0;
  promptUpper: u32 = 0;
  promptDigits: u32 = 0;
  promptOther: u32 = 0;
  promptHigh: u32 = 0;

  // response/read-usage.ts
  /** Not 0: the filter searches the response for `usage`. */
  searching: u32 = 0;
  /** Prompt tokens by the last `usage` so far of a response that is not streamed; 0: none. */
  usageTokens: u32 = 0;

  // response/response.ts, response/verdict.ts, response/served.ts
  /** 0: no response yet; 1: the response's headers have come; 2: the response is whole. */
  answered: u32 = 0;
  /** 1: the response is a failure. */
  failed: u32 = 0;
  /** 1: the filter has not yet asked Envoy which endpoint served the request. */
  unverified: u32 = 0;

  // response/learn-response.ts
  /** 1: the request creates a response of the Responses API. */
  creates: u32 = 0;
  /** 1 + the number of the pattern's bytes that the last chunk ended with; 0: the filter does not search the response. */
  learning: u32 = 0;
  /** Bytes of the response that the filter has searched for the id. */
  searched: u32 = 0;
  /** Unfinished hash of the id (response-id.ts). */
  learnedId: u64 = 0;

  // response/rename.ts
  /** Number of the pattern's bytes that the last chunk ended with, and the flags at that point. */
  matched: u32 = 0;
  matchFlags: u32 = 0;
}

const RECORD_BYTES: u32 = offsetof<Stream>();
const CLEARED_FROM: u32 = offsetof<Stream>("phase");

/** Bytes of scanner state in every new record. A configuration can raise it. */
let stateBytes: u32 = 0;
/** The first free record; 0: none. */
let free: usize = 0;
let open: u32 = 0;
let allocated: u32 = 0;

/** Open addressing with linear probing: pointers to the open records, by slot(id). */
let table: usize = 0;
let mask: u32 = 0;

/** Gives every record that is opened from now on at least this many bytes of state. Abandons free records that are smaller. */
export function needStateBytes(bytes: u32): void {
  if (bytes <= stateBytes) return;
  stateBytes = (bytes + 7) & ~7;
  for (; free; free = changetype<Stream>(free).next) allocated--;
}

/** Returns the scanner's state of a stream. */
export function stateOf(stream: Stream): usize {
  return changetype<usize>(stream) + RECORD_BYTES;
}

/** Opens a record for the stream `id`; `root` is the record of its root context. Returns null when too many streams are open. */
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
  // Moves later entries of the same run into the hole, so that no search stops at a hole before it reaches its entry.
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

/** Iterates over the records of all open streams. Call with null first; returns null after the last record. */
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

/** Returns the slot where the search for an id begins. The multiplier is odd, so it permutes the low bits. */
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
