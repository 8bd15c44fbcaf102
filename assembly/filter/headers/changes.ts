// Changes to the request's headers. Where the headers are still ours (single mode, or a reader inside its headers
// callback) they are written at once; a reader that decides at the body's end puts them into a message, and the holder
// behind it, which kept the headers back, writes them.
//
//   message = u32 context id of the holder's stream, u32 GOES_ON or STAYS, { u32 name length, u32 value length, name, value }
//
// A value length of REMOVE removes the header. One message is written at a time: it is begun and sent in one callback.
import { Bytes } from "../../base/bytes";
import { REQUEST_HEADERS, removeHeader, setHeader } from "../../host/calls";

export const REMOVE: u32 = 0xffffffff;
/** The stream is let go when the headers are written. */
const GOES_ON: u32 = 0;
/** The headers are written, and another message will let it go. */
export const STAYS: u32 = 1;
export const MESSAGE_HEAD: u32 = 8;
/** More than one request can change: 12 fields of 256 bytes with names of 128, the destination, the length. */
const CAPACITY: u32 = 16384;
const message: usize = memory.data(16384, 8);
let length: u32 = 0;
let direct: bool = true;

/** Headers are written at once from here on. */
export function writeDirectly(): void {
  direct = true;
}

/** Headers are collected from here on, for the holder's stream. */
export function beginMessage(holderStream: u32): void {
  direct = false;
  store<u32>(message, holderStream);
  store<u32>(message, GOES_ON, 4);
  length = MESSAGE_HEAD;
}

/** The message that was begun does not let its stream go. */
export function keepHeld(): void {
  store<u32>(message, STAYS, 4);
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
  if (length + 8 + name.length + bytes > CAPACITY) return;
  const at = message + length;
  store<u32>(at, name.length);
  store<u32>(at, valueLength, 4);
  memory.copy(at + 8, name.pointer, name.length);
  memory.copy(at + 8 + name.length, value, bytes);
  length += 8 + name.length + bytes;
}
