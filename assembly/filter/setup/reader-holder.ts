// Two filters instead of one flag, for a stock Envoy Gateway: the same module twice in one policy. The reader, in front,
// lets the headers pass and reads the body. The holder behind it holds the headers until the reader has decided.
//
//   reader  headers   sets the property READER: "h", hold, or "d", decided; goes on
//   holder  headers   no READER: goes on, because no reader stands in front; "d": goes on; "h": sets the property HOLDER to
//                     its HolderAddress, holds
//   reader  body      decides at the end, sends a message (filter/headers/changes.ts) to the queue in HOLDER; without one the request hangs
//   holder  queue     writes the headers of the message, lets the stream go on
//
// A queue's name is random, so a message can only be for this holder; contexts of a stream that ended are not found.
import { Bytes, bytesEqual, bytesOf } from "../../base/bytes";
import {
  continueRequest,
  dequeue,
  enqueue,
  getProperty,
  HEADERS_CONTINUE,
  HEADERS_STOP,
  LOG_ERROR,
  log,
  REQUEST_HEADERS,
  registerQueue,
  removeHeader,
  resultLength,
  resultPointer,
  setEffectiveContext,
  setHeader,
  setProperty,
} from "../../host/calls";
import { count, SETUP_NO_HOLDER, SETUP_NO_READER } from "../../stats";
import {
  beginMessage,
  FieldHead,
  keepStream,
  MessageHead,
  messageLength,
  messagePointer,
  REMOVE,
  writeDirectly,
} from "../headers/changes";
import { RESPONSE_DETAILS } from "../headers/header-names";
import { stripAndReadHead } from "../headers/strip";
import { leaveGarbage, Root } from "../root";

const READER = bytesOf("pilotfish.reader");
const HOLDER = bytesOf("pilotfish.holder");
const hold = bytesOf("h");
const decided = bytesOf("d");

/** Where a message to a holder goes. */
@unmanaged
class HolderAddress {
  queue: u32 = 0;
  /** Context id of the holder's stream. */
  stream: u32 = 0;
}

const ADDRESS_BYTES: u32 = offsetof<HolderAddress>();
const address = changetype<HolderAddress>(memory.data(ADDRESS_BYTES, 4));
/** What the router says of a response that it made, or fetched, itself. */
const routerWords: Bytes[] = [bytesOf("direct_response"), bytesOf("via_upstream"), bytesOf("route_not_found")];
let readerMissing: bool = false;
let holderMissing: bool = false;

/** A queue of this root's own; 0: the host has none. */
export function openQueue(seed: u64): u32 {
  return registerQueue(bytesOf(`pilotfish.${seed.toString(16)}`));
}

// ---- reader -----------------------------------------------------------------------------------------------------------

/** Says to the holder what to do with the headers that come next. */
export function signHeaders(toHold: bool): void {
  const word = toHold ? hold : decided;
  setProperty(READER, word.pointer, word.length);
}

/** From here on header changes go to the holder. False: no holder held the headers, they are gone. */
export function beginReply(): bool {
  if (!getProperty(HOLDER) || resultLength() != ADDRESS_BYTES) {
    noHolder();
    return false;
  }
  memory.copy(changetype<usize>(address), resultPointer(), ADDRESS_BYTES);
  beginMessage(address.stream);
  return true;
}

/**
 * A response that came before the reader had decided. Where no holder held the headers, the router got them: behind the
 * catch-all of an Envoy Gateway it answers at once, and no body ever comes. Filters in between that answer by themselves
 * (authentication, limits) are no wrong set-up; the router's words tell the two apart.
 */
export function answeredEarly(): void {
  if (getProperty(HOLDER) || !getProperty(RESPONSE_DETAILS)) return;
  const from = resultPointer();
  const length = resultLength();
  for (let i = 0; i < routerWords.length; i++) {
    const word = unchecked(routerWords[i]);
    if (!bytesEqual(from, length, word.pointer, word.length)) continue;
    noHolder();
    return;
  }
}

function noHolder(): void {
  count(SETUP_NO_HOLDER);
  if (holderMissing) return;
  holderMissing = true;
  leaveGarbage();
  log(
    LOG_ERROR,
    "set up wrongly: a filter with role reader has no holder behind it, so no request is routed by its model",
  );
}

/** Ends beginReply(). Lets the request go on with the headers changed since then; `goesOn` false: it was answered meanwhile. */
export function endReply(goesOn: bool): void {
  if (goesOn) enqueue(address.queue, messagePointer(), messageLength());
  writeDirectly();
}

/** Ends beginReply(). Sends the headers changed since then; the request stays where it is until another reply. */
export function keepReply(): void {
  keepStream();
  endReply(true);
}

// ---- holder -----------------------------------------------------------------------------------------------------------

export function holderHeaders(id: u32, root: Root): i32 {
  if (!getProperty(READER) || resultLength() != 1) {
    stripAndReadHead(root.config);
    count(SETUP_NO_READER);
    if (!readerMissing) {
      readerMissing = true;
      leaveGarbage();
      log(
        LOG_ERROR,
        "set up wrongly: a filter with role holder has no reader in front of it, so no request is routed by its model",
      );
    }
    return HEADERS_CONTINUE;
  }
  if (load<u8>(resultPointer()) != load<u8>(hold.pointer)) return HEADERS_CONTINUE;
  address.queue = root.queue;
  address.stream = id;
  setProperty(HOLDER, changetype<usize>(address), ADDRESS_BYTES);
  return HEADERS_STOP;
}

/** Messages have come. Each is for one stream, and lets it go unless it says otherwise. */
export function holderQueue(queue: u32): void {
  while (dequeue(queue)) {
    const message = resultPointer();
    const length = resultLength();
    const head = changetype<MessageHead>(message);
    if (length < offsetof<MessageHead>() || !setEffectiveContext(head.stream)) continue;
    const stays = head.stays;
    applyFields(message + offsetof<MessageHead>(), message + length);
    if (!stays) continueRequest();
  }
}

/** Makes no host call that returns bytes: the message stays readable. */
function applyFields(from: usize, end: usize): void {
  let at = from;
  while (at + offsetof<FieldHead>() <= end) {
    const field = changetype<FieldHead>(at);
    name.pointer = at + offsetof<FieldHead>();
    name.length = field.nameLength;
    at = name.pointer + name.length;
    if (field.valueLength == REMOVE) removeHeader(REQUEST_HEADERS, name);
    else {
      setHeader(REQUEST_HEADERS, name, at, field.valueLength);
      at += field.valueLength;
    }
  }
}

/** Of the header that is being written. */
const name = changetype<Bytes>(memory.data(offsetof<Bytes>(), 4));
