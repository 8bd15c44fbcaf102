// The request's way through the filter. The filter stops the headers until the body's end, and then decides everything at once.
import { RESERVED_PREFIX } from "../../../protocol/constants";
import { bytesOf, startsWith } from "../../base/bytes";
import { ROLE_HOLDER, ROLE_READER, ROLE_SINGLE } from "../../config/config";
import { closePrompt, feedPrompt, openPrompt, Prompt } from "../../endpoints/cache/prompt";
import {
  BODY_CONTINUE,
  BODY_STOP_AND_BUFFER,
  getBuffer,
  HEADERS_CONTINUE,
  HEADERS_STOP,
  REQUEST_BODY,
  resultLength,
} from "../../host/calls";
import { WINDOW_BYTES, windowPointer } from "../../host/memory";
import { decodeName, modelInPath, PathModel } from "../../route/paths";
import { fieldBytes } from "../../scan/json/fields";
import { jsonFeed, jsonHashedLength, jsonHashedPointer, jsonInit, jsonStatus } from "../../scan/json/json";
import { STATUS_DONE, STATUS_MORE, STATUS_PAUSED } from "../../scan/json/scan-state";
import { multipartFeed, multipartInit, multipartStatus } from "../../scan/multipart/multipart";
import { count, NO_BODY, REQUESTS, UNREAD_BODY, UNTRACKED } from "../../stats";
import { bodyType, isEncoded, TYPE_JSON, TYPE_MULTIPART, TYPE_OTHER } from "../headers/content-type";
import { declaredLength, HEAD_PATH, HEAD_TYPE, headLength, headPointer, isUpgrade } from "../headers/request-head";
import { sessionOf } from "../headers/session-id";
import { removeAdmission, removeDebug, stripAndReadHead } from "../headers/strip";
import { reservedBody, reservedHeaders, UNKNOWN_LENGTH } from "../reserved/reserved";
import { Root } from "../root";
import { bodyCame, neverGetsBodies, passUnread } from "../setup/no-bodies";
import { beginReply, endReply, holderHeaders, keepReply, signHeaders } from "../setup/reader-holder";
import {
  findStream,
  openStream,
  PHASE_MULTIPART,
  PHASE_PASS,
  PHASE_POLL,
  PHASE_PUSH,
  PHASE_REPLIED,
  PHASE_SCAN,
  PHASE_SENT,
  PHASE_WAITING,
  Stream,
  stateOf,
} from "../streams";
import { readAdmissionHead } from "./admit";
import { isCreation, routeById } from "./by-response";
import { decideBody, decidePath } from "./decide";
import { mayExplain } from "./explanation";
import { listModels } from "./list-models";
import { refuseBody, refuseEncoded, refuseLength, refuseMultipart, refusePath, refuseType } from "./refuse";

const reservedPrefix = bytesOf(RESERVED_PREFIX);
// Results of callbacks after a local reply. The rest of the request never reaches an upstream: Envoy drops it with the stream.
const HEADERS_ANSWERED: i32 = HEADERS_STOP;
const BODY_ANSWERED: i32 = BODY_STOP_AND_BUFFER;

/** Call after wakeUp() (filter/on-tick.ts). */
export function requestHeaders(id: u32, root: Root, endOfStream: bool): i32 {
  const role = root.config.role;
  if (role == ROLE_HOLDER) return holderHeaders(id, root);
  const status = readHeaders(id, root, endOfStream);
  if (role == ROLE_SINGLE) return status;
  // A reader lets the headers pass, unless the filter has answered or will answer by itself. The holder behind the reader stops the headers.
  const stream = status == HEADERS_STOP ? findStream(id) : null;
  const holds = stream !== null && stream.phase != PHASE_REPLIED && stream.phase != PHASE_POLL;
  signHeaders(holds);
  return holds ? HEADERS_CONTINUE : status;
}

function readHeaders(id: u32, root: Root, endOfStream: bool): i32 {
  const config = root.config;
  stripAndReadHead(config);
  removeDebug();
  if (isReserved()) return reservedHeaders(id, root, endOfStream);
  if (config.models.list && listModels(config)) return HEADERS_ANSWERED;
  count(REQUESTS);
  removeAdmission(config.admission);
  if (config.pick.responses && routeById(id, root)) return HEADERS_CONTINUE;
  const inPath = modelInPath(config.paths, headPointer(HEAD_PATH), headLength(HEAD_PATH));
  const pathModel = inPath !== null;
  if ((endOfStream || isUpgrade()) && !pathModel) {
    count(NO_BODY);
    return HEADERS_CONTINUE;
  }
  const declared = declaredLength();
  if (!endOfStream && declared > <i64>config.body.maxBytes) return refuseLength(config.body.maxBytes);
  if (neverGetsBodies(root) && !pathModel) return passUnread();
  let type = TYPE_JSON;
  if (!pathModel) {
    if (isEncoded()) return refuseEncoded();
    type = bodyType();
    if (type == TYPE_OTHER) {
      if (config.body.rejectOtherTypes) return refuseType();
      count(UNREAD_BODY);
      return HEADERS_CONTINUE;
    }
  }
  const stream = openStream(id, changetype<usize>(root));
  if (stream === null) {
    count(UNTRACKED);
    return HEADERS_CONTINUE;
  }
  stream.hasLength = declared >= 0 ? 1 : 0;
  readAdmissionHead(stream);
  stream.session = sessionOf(config.pick.session);
  mayExplain(stream);
  if (type == TYPE_MULTIPART) {
    stream.phase = PHASE_MULTIPART;
    if (!multipartInit(stateOf(stream), headPointer(HEAD_TYPE), headLength(HEAD_TYPE)))
      return refuse(stream, refuseMultipart(stream));
    return HEADERS_STOP;
  }
  if (config.pick.responses && isCreation()) stream.creates = 1;
  jsonInit(stateOf(stream), config.body.table);
  if (inPath !== null) return pathHeaders(stream, inPath);
  stream.phase = PHASE_SCAN;
  if (config.body.saltField >= 0) stream.prompt = changetype<usize>(openPrompt());
  return HEADERS_STOP;
}

/** `length` counts from the body's start, because Envoy buffers the whole body until its end. */
export function requestBody(id: u32, length: u32, endOfStream: bool): i32 {
  const stream = findStream(id);
  if (stream === null) return BODY_CONTINUE;
  bodyCame();
  if (stream.phase == PHASE_PUSH) return reservedBody(stream, length, endOfStream);
  if (stream.phase == PHASE_REPLIED) return BODY_ANSWERED;
  if (stream.phase == PHASE_WAITING) return waitsInHolder(stream) ? BODY_CONTINUE : BODY_STOP_AND_BUFFER;
  if (stream.phase != PHASE_SCAN && stream.phase != PHASE_MULTIPART) return BODY_CONTINUE;
  return advance(stream, length, endOfStream) ? BODY_CONTINUE : BODY_STOP_AND_BUFFER;
}

/** Trailers end the body. The last body callback of a request with trailers has no end_of_stream. */
export function requestTrailers(id: u32): i32 {
  const stream = findStream(id);
  if (stream === null) return HEADERS_CONTINUE;
  if (stream.phase == PHASE_PUSH) {
    reservedBody(stream, UNKNOWN_LENGTH, true);
    return HEADERS_STOP;
  }
  if (stream.phase == PHASE_REPLIED) return HEADERS_ANSWERED;
  if (stream.phase == PHASE_WAITING) return waitsInHolder(stream) ? HEADERS_CONTINUE : HEADERS_STOP;
  if (stream.phase != PHASE_SCAN && stream.phase != PHASE_MULTIPART) return HEADERS_CONTINUE;
  return advance(stream, stream.buffered, true) ? HEADERS_CONTINUE : HEADERS_STOP;
}

/** Returns whether a holder behind this filter stops the waiting request, so that this filter may pass the body on to the holder. */
function waitsInHolder(stream: Stream): bool {
  return changetype<Root>(stream.root).config.role == ROLE_READER;
}

/** Scans the new part of the first `length` bytes, and decides the request after the last part. Returns true when Envoy may go on. */
function advance(stream: Stream, length: u32, last: bool): bool {
  const limit = changetype<Root>(stream.root).config.body.maxBytes;
  stream.buffered = length;
  if (length > limit) {
    refuse(stream, refuseLength(limit));
    return false;
  }
  if (stream.phase == PHASE_MULTIPART) {
    scanMultipart(stream, length, last);
    if (multipartStatus(stateOf(stream)) < 0) {
      refuse(stream, refuseMultipart(stream));
      return false;
    }
  } else {
    scanJson(stream, length, last);
    const status = jsonStatus(stateOf(stream));
    if (status < 0 || (last && status != STATUS_DONE)) {
      refuse(stream, refuseBody(stream));
      return false;
    }
  }
  if (!last) return false;
  const reads = changetype<Root>(stream.root).config.role == ROLE_READER;
  if (reads && !beginReply()) {
    stream.phase = PHASE_PASS;
    return true;
  }
  const decided = decideBody(stream, length);
  if (stream.phase == PHASE_WAITING) {
    if (reads) keepReply();
    return reads;
  }
  if (stream.prompt) {
    closePrompt(changetype<Prompt>(stream.prompt));
    stream.prompt = 0;
  }
  stream.phase = decided ? PHASE_SENT : PHASE_REPLIED;
  if (reads) endReply(decided);
  return decided;
}

/** Feeds the scanner with the bytes up to `length` that it has not consumed yet, window by window. */
function scanJson(stream: Stream, length: u32, last: bool): void {
  const state = stateOf(stream);
  const prompt = changetype<Prompt>(stream.prompt);
  while (true) {
    const read = readWindow(stream, length);
    const atEnd = last && stream.consumed + read >= length;
    let fed: u32 = 0;
    // The scanner pauses at the end of each field that is hashed. The next call then feeds the rest of the window.
    do {
      fed += jsonFeed(state, windowPointer() + fed, read - fed, atEnd);
      if (stream.prompt) feedPrompt(prompt, jsonHashedPointer(state), jsonHashedLength(state));
    } while (jsonStatus(state) == STATUS_PAUSED);
    stream.consumed += fed;
    if (jsonStatus(state) != STATUS_MORE || fed == 0 || stream.consumed >= length) return;
  }
}

function scanMultipart(stream: Stream, length: u32, last: bool): void {
  const state = stateOf(stream);
  while (true) {
    const read = readWindow(stream, length);
    const atEnd = last && stream.consumed + read >= length;
    const consumed = multipartFeed(state, windowPointer(), read, atEnd);
    stream.consumed += consumed;
    if (multipartStatus(state) < 0 || consumed == 0 || stream.consumed >= length) return;
  }
}

/** Copies the next bytes of the body into the window. Returns their number. */
function readWindow(stream: Stream, length: u32): u32 {
  if (length <= stream.consumed) return 0;
  const take = min(length - stream.consumed, WINDOW_BYTES);
  return getBuffer(REQUEST_BODY, stream.consumed, take) ? resultLength() : 0;
}

/** Decides a request whose path names the model, so that the filter reads no body. */
function pathHeaders(stream: Stream, model: PathModel): i32 {
  stream.name = fieldBytes(stateOf(stream), 0);
  stream.nameLength = decodeName(headPointer(HEAD_PATH) + model.start, model.end - model.start, stream.name);
  if (stream.nameLength == 0) return refuse(stream, refusePath());
  if (!decidePath(stream)) return stream.phase == PHASE_WAITING ? HEADERS_STOP : refuse(stream, HEADERS_ANSWERED);
  stream.phase = PHASE_SENT;
  return HEADERS_CONTINUE;
}

function refuse(stream: Stream, status: i32): i32 {
  stream.phase = PHASE_REPLIED;
  return status;
}

function isReserved(): bool {
  return startsWith(headPointer(HEAD_PATH), headLength(HEAD_PATH), reservedPrefix.pointer, reservedPrefix.length);
}
