// Changes to the request's headers. Where the headers are still ours (single mode, or a reader inside its headers
// callback) they are written at once. A reader that decides at the body's end puts them into a message, and the holder
// behind it, which held the headers, writes them.
//
//   message = MessageHead, { FieldHead, name, value }
//
// One message is written at a time: it is begun and sent in one callback.
import { Bytes } from "../../base/bytes";
import { REQUEST_HEADERS, removeHeader, setHeader } from "../../host/calls";

@unmanaged
export class MessageHead {
  /** Context id of the holder's stream. */
  stream: u32 = 0;
  /** 1: another message will let the stream go; 0: the stream goes when the headers are written. */
  stays: u32 = 0;
}

@unmanaged
export class FieldHead {
  nameLength: u32 = 0;
  /** REMOVE: the header is removed, and no value follows. */
  valueLength: u32 = 0;
}

export const REMOVE: u32 = 0xffffffff;
/** More than one request can change: 12 fields of 256 bytes with names of 128, the destination, the length. */
const CAPACITY: u32 = 16384;
const message: usize = memory.data(CAPACITY, 8);
let length: u32 = 0;
let direct: bool = true;

/** Headers are written at once from here on. */
export function writeDirectly(): void {
  direct = true;
}

/** Headers are collected from here on, for the holder's stream. */
export function beginMessage(holderStream: u32): void {
  direct = false;
  const head = changetype<MessageHead>(message);
  head.stream = holderStream;
  head.stays = 0;
  length = offsetof<MessageHead>();
}

/** The message that was begun does not let its stream go. */
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
