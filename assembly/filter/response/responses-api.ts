// The Responses API: a pod keeps the responses that it gave, so a request that needs one has to go to that pod: GET and DELETE
// below /v1/responses/{id}, POST on its cancel, and a POST whose `previous_response_id` names one. Which pod that is, is learnt from the
// answers: the id stands in the first event of a stream, or at the start of a whole answer.
//   pilotfish.responses.K   u64 how many were ever written here, then PLACES times { u64 id, u64 endpoint, u64 model,
//                           u64 asked }, hashes (asked-name.ts); the newest takes the oldest's place. K: low bits of the id's hash.
// A client may go on with a response the moment it has its id, with any worker: so these keys are written and read by
// requests, but only by those of this API. 16,384 responses are known, 513 KiB.
import { Bytes, bytesEqual, bytesOf } from "../../base/bytes";
import { mix, textHash } from "../../base/hash";
import { Entry, findEntry } from "../../endpoints/entries";
import {
  getBuffer,
  getHeader,
  getShared,
  OK,
  RESPONSE_BODY,
  RESPONSE_HEADERS,
  resultCas,
  resultLength,
  resultPointer,
  setShared,
} from "../../host/calls";
import { WINDOW_BYTES } from "../../host/memory";
import { pathLength } from "../../route/paths";
import { current, hasSnapshot } from "../../snapshot/current";
import { NONE, SnapshotView } from "../../snapshot/view";
import { count, RESPONSE_FOUND, RESPONSE_UNKNOWN } from "../../stats";
import { changeHeader } from "../headers/changes";
import { CONTENT_ENCODING, DESTINATION, POST } from "../headers/names";
import { HEAD_PATH, headLength, headPointer, isMethod, readHead } from "../headers/request-head";
import { setBaseModel } from "../request/base-model";
import { Root } from "../root";
import { Stream } from "../streams";
import { asked, askedLength, findAsked, giveBackAsked, keptAsked, wasInHeader } from "./asked-name";

const KEYS: u32 = 64;
const PLACES: u32 = 256;
const RECORD: u32 = 32;
const VALUE_BYTES: u32 = 8 + PLACES * RECORD;
const MOST_ID_BYTES: u32 = 128;
/** An answer's id is looked for this far. */
const MOST_SEARCHED: u32 = 262144;

const collection = bytesOf("/v1/responses");
/** What an id begins with, and the member that it stands in. */
const pattern = bytesOf('"id":"resp_');
const cancel = bytesOf("/cancel");
const PREFIX_AT: u32 = 6;

const keys: usize = memory.data(256, 4);
const value: usize = memory.data(8200, 8);
/** What lookUp() found. */
let endpoint: u64 = 0;
let model: u64 = 0;
let kept: u64 = 0;

/** After readHead(), for a request that is read: whether its answer tells an id. */
export function isCreation(): bool {
  const length = pathLength(headPointer(HEAD_PATH), headLength(HEAD_PATH));
  return bytesEqual(headPointer(HEAD_PATH), length, collection.pointer, collection.length) && isMethod(POST);
}

/** After readHead(): sends a request for a response to the pod that holds it. False: it is none, or nobody knows the pod. */
export function routeById(id: u32, root: Root): bool {
  const length = pathLength(headPointer(HEAD_PATH), headLength(HEAD_PATH));
  const from = collection.length + 1;
  const path = headPointer(HEAD_PATH);
  if (length <= from || memory.compare(path, collection.pointer, collection.length) != 0) return false;
  if (load<u8>(path + collection.length) != 0x2f) return false;
  let end = from;
  while (end < length && load<u8>(path + end) != 0x2f) end++;
  // A body that is read by a server at the end of another path must be read here too.
  if (isMethod(POST) && !bytesEqual(path + end, length - end, cancel.pointer, cancel.length)) return false;
  const found = lookUp(hashOf(path + from, end - from));
  // The answer of the host took the place of the head.
  if (!found) {
    readHead();
    return false;
  }
  const entry = findEntry(endpoint);
  if (!hasSnapshot() || entry === null || entry.endpoint == NONE) {
    readHead();
    return unknown();
  }
  const view = current();
  count(RESPONSE_FOUND);
  for (let i: u32 = 0; i < view.modelCount; i++) {
    if (textHash(view.modelName(i), view.modelNameLength(i)) != model) continue;
    nameModel(id, root, entry, view, i);
    break;
  }
  if (!root.config.pick.dryRun)
    changeHeader(DESTINATION, view.address(entry.endpoint), view.addressLength(entry.endpoint));
  return true;
}

/** Headers by which routes are matched, as when the response was made, and the name that its client knows. */
function nameModel(id: u32, root: Root, entry: Entry, view: SnapshotView, served: u32): void {
  const config = root.config;
  const name = view.modelName(served);
  const length = view.modelNameLength(served);
  const header = unchecked(config.body.fields[0]).header;
  const known = findAsked(config, view, kept);
  if (header.length > 0) {
    if (known && wasInHeader(kept)) changeHeader(header, asked, askedLength);
    else changeHeader(header, name, length);
  }
  setBaseModel(config, served, name, length);
  if (known) giveBackAsked(id, root, entry, name, length);
}

/** Place in the snapshot of the pod that holds the response with this id; NONE: nobody knows. */
export function holderOf(id: usize, length: u32): u32 {
  if (!lookUp(hashOf(id, length))) return NONE;
  const entry = findEntry(endpoint);
  if (entry === null || entry.endpoint == NONE || !current().usable(entry.endpoint)) {
    unknown();
    return NONE;
  }
  count(RESPONSE_FOUND);
  return entry.endpoint;
}

function unknown(): bool {
  count(RESPONSE_UNKNOWN);
  return false;
}

/** At the headers of an answer to a creation: an encoded one, or a refusal, tells no id. */
export function beginLearning(stream: Stream, status: u32): void {
  const encoded = getHeader(RESPONSE_HEADERS, CONTENT_ENCODING) && resultLength() > 0;
  stream.learning = status == 200 && !encoded ? 1 : 0;
  stream.learnt = 0;
  stream.searched = 0;
}

/** A chunk of the answer's body: learning is 1 + how much of the pattern its end was. */
export function learn(stream: Stream, length: u32): void {
  for (let from: u32 = 0; from < length && stream.learning; from += WINDOW_BYTES) {
    const take = min(length - from, WINDOW_BYTES);
    if (!getBuffer(RESPONSE_BODY, from, take)) return;
    search(stream, resultPointer(), resultLength());
  }
}

function search(stream: Stream, from: usize, length: u32): void {
  let matched = stream.learning - 1;
  for (let at = from; at < from + length; at++) {
    const c: u32 = load<u8>(at);
    if (matched == pattern.length) {
      if (c == 0x22) {
        stream.learning = 0;
        return remember(mix(stream.learnt), stream);
      }
      stream.learnt = step(stream.learnt, c);
      continue;
    }
    // Blanks may stand behind the colon.
    if (matched == PREFIX_AT - 1 && c == 0x20) continue;
    if (c == load<u8>(pattern.pointer + matched)) {
      if (++matched == pattern.length) stream.learnt = hashOfPrefix();
    } else matched = c == 0x22 ? 1 : 0;
  }
  stream.searched += length;
  stream.learning = stream.searched > MOST_SEARCHED ? 0 : matched + 1;
}

/** FNV-1a: ids come in pieces. */
function step(hash: u64, c: u32): u64 {
  return (hash ^ c) * 0x100000001b3;
}

function hashOfPrefix(): u64 {
  let hash: u64 = 0xcbf29ce484222325;
  for (let i = PREFIX_AT; i < pattern.length; i++) hash = step(hash, load<u8>(pattern.pointer + i));
  return hash;
}

/** Of a whole id; 0 for none. */
function hashOf(id: usize, length: u32): u64 {
  if (length == 0 || length > MOST_ID_BYTES) return 0;
  let hash: u64 = 0xcbf29ce484222325;
  for (let i: u32 = 0; i < length; i++) hash = step(hash, load<u8>(id + i));
  return mix(hash);
}

function keyOf(id: u64): Bytes {
  const k = <u32>id & (KEYS - 1);
  let key = load<usize>(keys + k * 4);
  if (!key) {
    key = changetype<usize>(bytesOf(`pilotfish.responses.${k}`));
    store<usize>(keys + k * 4, key);
  }
  return changetype<Bytes>(key);
}

function lookUp(id: u64): bool {
  if (id != 0 && getShared(keyOf(id)) == OK && resultLength() == VALUE_BYTES) {
    const records = resultPointer() + 8;
    for (let i: u32 = 0; i < PLACES; i++) {
      if (load<u64>(records + i * RECORD) != id) continue;
      endpoint = load<u64>(records + i * RECORD, 8);
      model = load<u64>(records + i * RECORD, 16);
      kept = load<u64>(records + i * RECORD, 24);
      return true;
    }
  }
  return unknown();
}

function remember(id: u64, stream: Stream): void {
  if (stream.counted == 0) return;
  const key = keyOf(id);
  for (let attempt = 0; attempt < 8; attempt++) {
    const known = getShared(key) == OK && resultLength() == VALUE_BYTES;
    const cas = known ? resultCas() : 0;
    if (known) memory.copy(value, resultPointer(), VALUE_BYTES);
    else memory.fill(value, 0, VALUE_BYTES);
    const written = load<u64>(value);
    const record = value + 8 + <usize>(written % PLACES) * RECORD;
    store<u64>(value, written + 1);
    store<u64>(record, id);
    store<u64>(record, stream.counted, 8);
    store<u64>(record, stream.model, 16);
    store<u64>(record, keptAsked(stream), 24);
    if (setShared(key, value, VALUE_BYTES, cas) == OK) return;
  }
}
