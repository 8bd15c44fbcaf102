// What a client says in a control header, or in one that a body field is written to, never survives.

import { Bytes, bytesEqual } from "../../base/bytes";
import { BodyConfig } from "../../config/body";
import { getHeader, REQUEST_HEADERS, removeHeader } from "../../host/calls";
import { count, STRIPPED } from "../../stats";
import { MODEL } from "./names";
import { readHead, stripControls } from "./request-head";

/** Removes them and reads the head, which stays valid until the next host call that returns bytes. */
export function stripAndReadHead(body: BodyConfig): void {
  // The configuration's own headers come first: looking for them takes the place of what was read.
  const own = hasOwnHeaders(body) && stripOwn(body);
  readHead();
  if (stripControls() || own) count(STRIPPED);
}

function hasOwnHeaders(body: BodyConfig): bool {
  if (body.fields.length > 1) return true;
  const header = body.fields[0].header;
  return !bytesEqual(header.pointer, header.length, MODEL.pointer, MODEL.length);
}

function stripOwn(body: BodyConfig): bool {
  let found = false;
  for (let i = 0; i < body.fields.length; i++) if (strip(unchecked(body.fields[i]).header)) found = true;
  return found;
}

function strip(name: Bytes): bool {
  if (name.length == 0 || !getHeader(REQUEST_HEADERS, name)) return false;
  removeHeader(REQUEST_HEADERS, name);
  return true;
}
