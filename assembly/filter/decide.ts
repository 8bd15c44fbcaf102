// Decides once per request: model -> header, model -> endpoints, endpoint -> header. Whatever is missing for a pick, the
// request goes on with Envoy's own balancing, and a counter and the filter state say why.
import { MAX_MODEL_NAME_BYTES } from "../../protocol/constants";
import { Bytes, bytesOf } from "../host/bytes";
import { REQUEST_HEADERS, setHeader, setProperty } from "../host/calls";
import { started } from "../pick/inflight";
import { newPicks, pick } from "../pick/pick";
import { newRandom, Random } from "../pick/random";
import { findModel } from "../route/models";
import {
  fieldBytes,
  fieldKind,
  fieldLength,
  KIND_ABSENT,
  KIND_NULL,
  KIND_STRING,
  KIND_TOO_LONG,
} from "../scan/fields";
import { ageMilliseconds, current, hasSnapshot } from "../snapshot/current";
import { NONE, SnapshotView } from "../snapshot/view";
import {
  count,
  INVALID_MODEL,
  NO_ENDPOINT,
  NO_MODEL,
  NO_SNAPSHOT,
  PICKED,
  STALE,
  UNKNOWN_MODEL,
} from "../stats";
import { tickTime } from "./clock";
import { MODEL_FIELD } from "./fields";
import { BASE_MODEL, DESTINATION, MODEL, STATE_ENDPOINT, STATE_MODEL, STATE_REASON } from "./headers";
import { beginError, sendError } from "./reply";
import { Root } from "./root";
import { Stream, stateOf } from "./streams";

const picks = newPicks();
const random: Random = newRandom(0);
/** "address,address,address" of at most three endpoints. */
const destination: usize = memory.data(168);

const PICKED_REASON = bytesOf("picked");
const UNKNOWN_MODEL_REASON = bytesOf("unknown_model");
const NO_MODEL_REASON = bytesOf("no_model");
const NO_SNAPSHOT_REASON = bytesOf("no_snapshot");
const STALE_REASON = bytesOf("stale");
const NO_ENDPOINT_REASON = bytesOf("no_endpoint");

export function seed(value: u64): void {
  random.state = value | 1;
}

/** False: the request was refused and answered. */
export function decide(stream: Stream): bool {
  const state = stateOf(stream);
  const kind = fieldKind(state, MODEL_FIELD);
  const length = fieldLength(state, MODEL_FIELD);
  if (kind == KIND_ABSENT || kind == KIND_NULL || (kind == KIND_STRING && length == 0)) {
    fallBack(NO_MODEL, NO_MODEL_REASON);
    return true;
  }
  const name = fieldBytes(state, MODEL_FIELD);
  if (kind != KIND_STRING || !fitsHeader(name, length)) {
    refuseModel(kind);
    return false;
  }
  setHeader(REQUEST_HEADERS, MODEL, name, length);
  setProperty(STATE_MODEL, name, length);
  if (!hasSnapshot()) {
    fallBack(NO_SNAPSHOT, NO_SNAPSHOT_REASON);
    return true;
  }
  const view = current();
  const model = findModel(view, name, length);
  if (model == NONE) {
    fallBack(UNKNOWN_MODEL, UNKNOWN_MODEL_REASON);
    return true;
  }
  const base = view.modelBase(model);
  if (base != NONE) setHeader(REQUEST_HEADERS, BASE_MODEL, view.modelName(base), view.modelNameLength(base));
  if (ageMilliseconds(tickTime()) > changetype<Root>(stream.root).config.staleAfterMilliseconds) {
    fallBack(STALE, STALE_REASON);
    return true;
  }
  pick(view, model, random, picks);
  if (picks.count == 0) {
    fallBack(NO_ENDPOINT, NO_ENDPOINT_REASON);
    return true;
  }
  stream.counted = started(picks.first);
  count(PICKED);
  setProperty(STATE_REASON, PICKED_REASON.pointer, PICKED_REASON.length);
  setProperty(STATE_ENDPOINT, view.address(picks.first), view.addressLength(picks.first));
  setDestination(view);
  return true;
}

function fallBack(counter: u32, reason: Bytes): void {
  count(counter);
  setProperty(STATE_REASON, reason.pointer, reason.length);
}

function setDestination(view: SnapshotView): void {
  let at = append(destination, view, picks.first);
  if (picks.count > 1) at = append(comma(at), view, picks.second);
  if (picks.count > 2) at = append(comma(at), view, picks.third);
  setHeader(REQUEST_HEADERS, DESTINATION, destination, <u32>(at - destination));
}

function comma(at: usize): usize {
  store<u8>(at, 0x2c);
  return at + 1;
}

function append(at: usize, view: SnapshotView, endpoint: u32): usize {
  const length = view.addressLength(endpoint);
  memory.copy(at, view.address(endpoint), length);
  return at + length;
}

/** No control characters: nothing is ever injected. Leading and trailing blanks would be cut off on the way. */
function fitsHeader(text: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) {
    const c: u32 = load<u8>(text + i);
    if (c < 0x20 || c == 0x7f) return false;
  }
  return load<u8>(text) != 0x20 && load<u8>(text + length - 1) != 0x20;
}

function refuseModel(kind: u32): void {
  count(INVALID_MODEL);
  const writer = beginError();
  if (kind == KIND_TOO_LONG) {
    writer.raw("`model` is longer than ");
    writer.number(MAX_MODEL_NAME_BYTES);
    writer.raw(" bytes, or a number where a string is expected.");
  } else if (kind == KIND_STRING) {
    writer.raw("`model` has control characters, or a blank at an end; no header can carry it.");
  } else writer.raw("`model` must be a string of well-formed Unicode.");
  sendError(writer, 400, "model", "invalid_model");
}
