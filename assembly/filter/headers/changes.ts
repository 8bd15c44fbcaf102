// Changes to the request's headers. In single mode, and in a reader's headers callback, this filter still has the headers and writes
// each change at once. A reader that decides at the body's end has passed the headers on. It puts the changes into a message, and the
// holder behind it, which stopped the headers, writes them.
//
//   message = MessageHead, { FieldHead, name, value }
//
// A VM writes one message at a time, because the reader begins and sends a message within one callback.
import { Bytes } from "../../base/bytes";
import { REQUEST_HEADERS, removeHeader, setHeader } from "../../host/calls";

@unmanaged
export class MessageHead {
  /** Context id of the holder's stream. */
  stream: u32 = 0;
  /** 1: the stream stays stopped until another message; 0: the holder lets the stream go on after it has written the headers. */
  stays: u32 = 0;
}

@unmanaged
export class FieldHead {
  nameLength: u32 = 0;
  /** REMOVE: the holder removes the header, and no value follows. */
  valueLength: u32 = 0;
}

export const REMOVE: u32 = 0xffffffff;
/** More bytes than the changes of one request need: 12 fields of 256 bytes with names of 128, the destination, the length. */
const CAPACITY: u32 = 16384;
const message: usize = memory.data(CAPACITY, 8);
let length: u32 = 0;
/** True: changes are written at once. False: changes are collected in the message. */
let direct: bool = true;

/** From this call on, changes are written at once. */
export function writeDirectly(): void {
  direct = true;
}

/** From this call on, changes are collected in a message to the holder's stream. */
export function beginMessage(holderStream: u32): void {
  direct = false;
  const head = changetype<MessageHead>(message);
  head.stream = holderStream;
  head.stays = 0;
  length = offsetof<MessageHead>();
}

/** Marks the current message, so that the holder does not let the stream go on. */
export function keepStream(): void {
  changetype<MessageHead>(message).stays = 1;
}

export function messagePointer(): usize {
  return message;
}
export function messageLength(): u32 {
  return length;
}

export function changeHeader(name: Bytes, value: usize, valueLength: u32): void {
  if (direct) setHeader(REQUEST_HEADERS, name, value, valueLength);
  else append(name, value, valueLength);
}

export function dropHeader(name: Bytes): void {
  if (direct) removeHeader(REQUEST_HEADERS, name);
  else append(name, 0, REMOVE);
}

function append(name: Bytes, value: usize, valueLength: u32): void {
  const bytes = valueLength == REMOVE ? 0 : valueLength;
  const head = offsetof<FieldHead>();
  if (length + head + name.length + bytes > CAPACITY) return;
  const at = message + length;
  const field = changetype<FieldHead>(at);
  field.nameLength = name.length;
  field.valueLength = valueLength;
  memory.copy(at + head, name.pointer, name.length);
  memory.copy(at + head + name.length, value, bytes);
  length += head + name.length + bytes;
}
