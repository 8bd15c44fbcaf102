// Two filters instead of one flag, for a stock Envoy Gateway: the same module twice in one policy. The reader, in front,
// lets the headers pass and reads the body; the holder behind it keeps the headers back until the reader has decided.
//
//   reader  headers   property READER: "h", hold, or "d", decided; goes on
//   holder  headers   no READER: goes on (never hold when nobody stands in front); "d": goes on; "h": property HOLDER with
//                     its queue and stream, holds
//   reader  body      decides at the end, sends a message (filter/headers/changes.ts) to the queue in HOLDER; always, or the request hangs
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
  keepHeld,
  MESSAGE_HEAD,
  messageLength,
  messagePointer,
  REMOVE,
  STAYS,
  writeDirectly,
} from "../headers/changes";
import { RESPONSE_DETAILS } from "../headers/names";
import { stripAndReadHead } from "../headers/strip";
import { leaveGarbage, Root } from "../root";

const READER = bytesOf("pilotfish.reader");
const HOLDER = bytesOf("pilotfish.holder");
const hold = bytesOf("h");
const decided = bytesOf("d");
const address: usize = memory.data(8, 4);
/** What the router says of an answer that it made, or fetched, itself. */
const routerWords: Bytes[] = [bytesOf("direct_response"), bytesOf("via_upstream"), bytesOf("route_not_found")];
let readerMissing: bool = false;
let holderMissing: bool = false;

/** A queue of this root's own; 0: the host has none. */
export function openQueue(seed: u64): u32 {
  return registerQueue(bytesOf(`pilotfish.${seed.toString(16)}`));
}

// ---- reader -----------------------------------------------------------------------------------------------------------

/** Tells the holder what to do with the headers that come next. */
export function tellHolder(toHold: bool): void {
  const word = toHold ? hold : decided;
  setProperty(READER, word.pointer, word.length);
}

/** From here on header changes go to the holder. False: no holder has kept the headers, they are gone. */
export function beginReply(): bool {
  if (!getProperty(HOLDER) || resultLength() != 8) {
    noHolder();
    return false;
  }
  memory.copy(address, resultPointer(), 8);
  beginMessage(load<u32>(address, 4));
  return true;
}

/**
 * An answer that came before the reader had decided. Where the headers went past no holder, the router had them: behind
 * the catch-all of an Envoy Gateway it answers at once, and no body ever comes. Filters in between that answer by
 * themselves (authentication, limits) are no wrong set-up; the router's words tell it apart.
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

/** Lets the held request go on, with the headers changed since beginReply(); not when it was answered meanwhile. */
export function endReply(goesOn: bool): void {
  if (goesOn) enqueue(load<u32>(address), messagePointer(), messageLength());
  writeDirectly();
}

/** Sends the headers changed since beginReply(); the request stays where it is until another reply. */
export function keepReply(): void {
  keepHeld();
  endReply(true);
}

// ---- holder -----------------------------------------------------------------------------------------------------------

export function holderHeaders(id: u32, root: Root): i32 {
  if (!getProperty(READER) || resultLength() != 1) {
    stripAndReadHead(root.config.body);
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
  store<u32>(address, root.queue);
  store<u32>(address, id, 4);
  setProperty(HOLDER, address, 8);
  return HEADERS_STOP;
}

/** Messages have come: each is for one stream, and frees it but for those that say otherwise. */
export function holderQueue(queue: u32): void {
  while (dequeue(queue)) {
    const message = resultPointer();
    const length = resultLength();
    if (length < MESSAGE_HEAD || !setEffectiveContext(load<u32>(message))) continue;
    // Applying it makes no host call that returns bytes: the message stays readable.
    const stays = load<u32>(message, 4) == STAYS;
    applyMessage(message + MESSAGE_HEAD, message + length);
    if (!stays) continueRequest();
  }
}

function applyMessage(from: usize, end: usize): void {
  let at = from;
  const name = changetype<Bytes>(headerName);
  while (at + 8 <= end) {
    const nameLength = load<u32>(at);
    const valueLength = load<u32>(at, 4);
    name.pointer = at + 8;
    name.length = nameLength;
    at += 8 + nameLength;
    if (valueLength == REMOVE) removeHeader(REQUEST_HEADERS, name);
    else {
      setHeader(REQUEST_HEADERS, name, at, valueLength);
      at += valueLength;
    }
  }
}

const headerName: usize = memory.data(16, 4);
