// The set-up with two filters, for an Envoy Gateway that cannot set `allow_on_headers_stop_iteration`. One policy has the same module
// twice. The reader comes first, lets the headers pass and reads the body. The holder behind it stops the headers until the reader has
// decided.
//
//   reader  headers   sets the property READER to "h" (hold) or "d" (decided), and goes on
//   holder  headers   without READER: goes on, because no reader is in front of the holder
//                     "d": goes on
//                     "h": sets the property HOLDER to its HolderAddress, and stops
//   reader  body      decides at the body's end, and sends a message (filter/headers/changes.ts) to the queue in HOLDER. Without this
//                     message the request would hang.
//   holder  queue     writes the headers in the message, and lets the stream go on
//
// A queue's name is random, so only this holder gets a message. A message for a stream that has ended has no effect.
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

/** The destination of a message to a holder. */
@unmanaged
class HolderAddress {
  queue: u32 = 0;
  /** Context id of the holder's stream. */
  stream: u32 = 0;
}

const ADDRESS_BYTES: u32 = offsetof<HolderAddress>();
const address = changetype<HolderAddress>(memory.data(ADDRESS_BYTES, 4));
/** Values of `response.code_details` for responses that the router made or fetched. */
const routerWords: Bytes[] = [bytesOf("direct_response"), bytesOf("via_upstream"), bytesOf("route_not_found")];
// Whether this VM has logged that a reader, or a holder, is missing.
let readerMissing: bool = false;
let holderMissing: bool = false;

/** Opens a queue for one root, with a random name. Returns the queue's token; 0: the host has no queues. */
export function openQueue(seed: u64): u32 {
  return registerQueue(bytesOf(`pilotfish.${seed.toString(16)}`));
}

// ---- reader -----------------------------------------------------------------------------------------------------------

/** Writes the property READER, which decides whether the holder keeps the headers. */
export function signHeaders(toHold: bool): void {
  const word = toHold ? hold : decided;
  setProperty(READER, word.pointer, word.length);
}

/** From this call on, header changes go to the holder. Returns false when no holder stopped the headers: they have reached the router. */
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
 * Call at a response that comes before the reader has decided. If no holder stopped the headers, the router got them. With Envoy
 * Gateway's catch-all route the router answers at once, and no body callback follows. A filter in between may also answer, for
 * example for authentication or a rate limit. That is not a wrong set-up. `response.code_details` shows which of the two happened.
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

/**
 * Ends what beginReply() began. `goesOn`: sends the changes to the holder, which lets the request go on. Otherwise the filter has
 * answered the request, and the changes are dropped.
 */
export function endReply(goesOn: bool): void {
  if (goesOn) enqueue(address.queue, messagePointer(), messageLength());
  writeDirectly();
}

/** Ends what beginReply() began. Sends the changes to the holder, which keeps the request stopped until another message. */
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

/** Call when messages have come. Writes each message's headers into its stream, and lets the stream go on unless `stays` is 1. */
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

/** Writes the header changes of a message. Makes no host call that returns bytes, so the message stays readable. */
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

/** Name of the header that is being written. */
const name = changetype<Bytes>(memory.data(offsetof<Bytes>(), 4));
