// Requests and tokens of the other workers of this Envoy on each endpoint: Entry.otherWorkers (entry.ts), and the parts
// workersWaiting and workersSent of Entry.tokens. They come in two ways:
//
//   shared records (workers/shared-load.ts): changed by each worker at each of its changes, and read at each pick
//   exchange on the tick (workers/counts.ts): what each worker last published of its own counts
//
// The shared record counts where this worker has joined it. A worker also publishes how much of its counts its share has. If its
// share is smaller, the readers add the difference, so counts are right even if a worker cannot change the record. Where the record does not
// count, the exchange counts.
import { endpointCount, entryOf } from "./entries";
import { Entry, OtherWorkers } from "./entry";
import { hasOtherEnvoys } from "./remote";
import { requestsIn, sentBetween, sentIn, shareOf, UNIT_TOKENS, unitsOf, waitingIn } from "./shared-record";
import { knownRose } from "./unseen";
import { setWorkersTokens } from "./waiting-tokens";

let workers: i32 = 0;
let total: i32 = 0;
/** Whether the last round of the exchange had no other worker and no other Envoy. A second such round changes no entry. */
let none: bool = false;

/** Number of other workers that are alive. */
export function workersBeside(): i32 {
  return workers;
}

/** In-flight requests of all other workers, on all endpoints. */
export function othersInFlight(): i32 {
  return total;
}

/** Forgets the other workers, because the endpoints changed. */
export function forgetOthers(): void {
  total = 0;
  none = false;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    const part = entry.otherWorkers;
    memory.fill(changetype<usize>(part), 0, offsetof<OtherWorkers>());
    part.shareSent = entry.tokens.sent;
    entry.tokens.workersWaiting = 0;
  }
}

// ---- the shared record: this worker's share of it ------------------------------------------------------------------------

/** The share that this worker should have by now. */
export function wantedShare(entry: Entry): u64 {
  const part = entry.otherWorkers;
  const sent = <u64>((entry.tokens.sent - part.shareSent) / UNIT_TOKENS);
  return shareOf(entry.inFlight.own, entry.tokens.waiting, sentIn(part.share) + sent);
}

/** Call when the record has the share that wantedShare() returned. */
export function shareWritten(entry: Entry, share: u64): void {
  const part = entry.otherWorkers;
  part.shareSent += sentBetween(part.share, share);
  part.share = share;
}

/** Call when a new epoch of the record begins: this worker has no share in it yet. */
export function forgetShare(entry: Entry): void {
  entry.otherWorkers.share = 0;
  entry.otherWorkers.shareSent = entry.tokens.sent;
}

// ---- the shared record: the shares of the others -------------------------------------------------------------------------

/** Takes over the endpoint's word of the record. `joins`: the epoch is new to this worker, so tokens that were sent are not news. */
export function receiveWord(entry: Entry, word: u64, joins: bool, now: u64): void {
  const part = entry.otherWorkers;
  const shared = word - part.share;
  const sent = joins ? 0 : sentBetween(part.shared, shared);
  part.shared = shared;
  part.joined = true;
  addUp(entry, entry.tokens.workersSent + sent, now);
}

/** Call when the record does not count any more. The next round of the exchange then counts. */
export function leaveRecord(entry: Entry): void {
  entry.otherWorkers.joined = false;
}

/** Sets the counts of the others from the shared record, and from what the others have published beside. */
function addUp(entry: Entry, sent: i32, now: u64): void {
  const part = entry.otherWorkers;
  setRequests(entry, requestsIn(part.shared) + part.unshared);
  const units = max(waitingIn(part.shared) + part.unsharedUnits, 0);
  setWorkersTokens(entry, units * UNIT_TOKENS, sent, now);
}

function setRequests(entry: Entry, requests: i32): void {
  const part = entry.otherWorkers;
  const known = max(requests, 0);
  total += known - part.requests;
  part.requests = known;
  knownRose(entry);
}

// ---- the exchange on the tick: a record for each endpoint, in the snapshot's order -----------------------------------------

@unmanaged
export class Published {
  /** In-flight requests, and how many of these are settled. */
  own: i32 = 0;
  settled: i32 = 0;
  /** Waiting tokens, and all tokens ever sent (wraps). */
  waiting: i32 = 0;
  sent: i32 = 0;
  /** What the worker's share has: requests, and units of waiting tokens. */
  sharedRequests: i32 = 0;
  sharedUnits: i32 = 0;
}

export const PUBLISHED_BYTES: u32 = offsetof<Published>();

/** Begins a round of addOthers(). */
export function beginOthers(): void {
  workers = 0;
  if (none) return;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const part = entryOf(i).otherWorkers;
    part.settled = 0;
    part.receivedRequests = 0;
    part.receivedUnshared = 0;
    part.receivedUnsharedUnits = 0;
    part.receivedWaiting = 0;
    part.receivedSent = 0;
  }
}

/** Adds the counts that one worker published: endpointCount() records for the same endpoints in the same order. */
export function addOthers(published: usize): void {
  workers++;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const part = entryOf(i).otherWorkers;
    const record = changetype<Published>(published + i * PUBLISHED_BYTES);
    const requests = max(record.own, 0);
    const waiting = max(record.waiting, 0);
    part.receivedRequests += requests;
    part.settled += max(record.settled, 0);
    part.receivedUnshared += requests - record.sharedRequests;
    part.receivedUnsharedUnits += unitsOf(waiting) - record.sharedUnits;
    part.receivedWaiting += waiting;
    part.receivedSent += record.sent;
  }
}

/** Ends the round at `now`, ns. Returns whether a worker has published counts that the shared record lacks. */
export function endOthers(now: u64): bool {
  const knewNone = none;
  none = workers == 0 && !hasOtherEnvoys();
  if (none && knewNone) return false;
  let lacking = false;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    const part = entry.otherWorkers;
    lacking = lacking || part.receivedUnshared != 0 || part.receivedUnsharedUnits != 0;
    part.unshared = part.receivedUnshared;
    part.unsharedUnits = part.receivedUnsharedUnits;
    if (part.joined) addUp(entry, entry.tokens.workersSent, now);
    else {
      setRequests(entry, part.receivedRequests);
      setWorkersTokens(entry, part.receivedWaiting, part.receivedSent, now);
    }
  }
  return lacking;
}
