// Decides once per request: name -> model -> header, model -> endpoints, endpoint -> header. Whatever is missing for a
// pick, the request goes on with Envoy's own balancing, and a counter and the filter state say why.
import { MODEL_IS_ADAPTER } from "../../../protocol/constants";
import { Bytes, bytesEqual, bytesOf } from "../../base/bytes";
import { textHash } from "../../base/hash";
import { newRandom, Random } from "../../base/random";
import { BodyConfig } from "../../config/body";
import { Config, ROLE_READER } from "../../config/config";
import { adapterSent } from "../../endpoints/adapters";
import { insertPrefix } from "../../endpoints/cache/prefix-index";
import { Prompt } from "../../endpoints/cache/prompt";
import { followPrompt } from "../../endpoints/cache/running-prompts";
import { entryOf } from "../../endpoints/entries";
import { publishGeneration, started, unseenInFlight } from "../../endpoints/in-flight";
import { tokensSent } from "../../endpoints/waiting-tokens";
import { continueRequest, now, setProperty } from "../../host/calls";
import { ticks, tickTime } from "../../host/tick-time";
import { panicked } from "../../pick/candidates";
import { newChoice, pick, pickOnly } from "../../pick/pick";
import { newPickInput } from "../../pick/pick-input";
import { kept } from "../../pick/session";
import { predictedSeconds, uncached } from "../../pick/token-cost";
import { findModel } from "../../route/models";
import { resolve, Target } from "../../route/names";
import { drawTarget, ruleFor } from "../../route/rules";
import {
  fieldBytes,
  fieldKind,
  fieldLength,
  KIND_ABSENT,
  KIND_ARRAY,
  KIND_NULL,
  KIND_OBJECT,
  KIND_STRING,
  KIND_TOO_LONG,
  KIND_TRUE,
  KIND_UNREPRESENTABLE,
} from "../../scan/json/fields";
import { multipartKind, multipartValue, multipartValueLength } from "../../scan/multipart/multipart";
import { ageMilliseconds, current, hasSnapshot } from "../../snapshot/current";
import { ruleHasPriority, rulePriority } from "../../snapshot/objects";
import { NONE, SnapshotView } from "../../snapshot/view";
import {
  count,
  FIELD_IGNORED,
  NO_ENDPOINT,
  NO_MODEL,
  NO_SNAPSHOT,
  PANIC,
  PICKED,
  SESSION_KEPT,
  SESSION_MOVED,
  STALE,
  UNKNOWN_MODEL,
} from "../../stats";
import { changeHeader, dropHeader } from "../headers/changes";
import { ACCEPT_ENCODING, DESTINATION, STATE_ENDPOINT, STATE_MODEL, STATE_REASON } from "../headers/names";
import { askForReport } from "../response/load-report";
import { holderOf } from "../response/responses-api";
import { Root } from "../root";
import { beginReply, endReply } from "../setup/reader-holder";
import { NAMED_PRIORITY, PHASE_MULTIPART, PHASE_PASS, PHASE_SENT, Stream, stateOf } from "../streams";
import { ADMITTED, admit } from "./admit";
import { setBaseModel } from "./base-model";
import { writeExplanation } from "./explanation";
import { countPlace, enterPlace, leavePlace } from "./place";
import { refuseField, refuseMissing, refuseModel, refuseUnknown } from "./refuse";
import { rewriteModel, rewritePath } from "./rewrite";

const choice = newChoice();
const input = newPickInput();
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

/** The body is whole, `length` bytes of it. False: the request was refused and answered. */
export function decideBody(stream: Stream, length: u32): bool {
  const state = stateOf(stream);
  const config = changetype<Root>(stream.root).config;
  let kind: u32;
  if (stream.phase == PHASE_MULTIPART) {
    kind = multipartKind(state);
    stream.name = multipartValue(state);
    stream.nameLength = multipartValueLength(state);
  } else {
    kind = fieldKind(state, 0);
    stream.name = fieldBytes(state, 0);
    stream.nameLength = fieldLength(state, 0);
    if (config.body.fields.length > 1 && !writeFields(state, config.body)) return false;
  }
  if (kind == KIND_ABSENT || kind == KIND_NULL || (kind == KIND_STRING && stream.nameLength == 0)) {
    return decideWithout(stream, config, length);
  }
  const name = stream.name;
  if (kind != KIND_STRING || !fitsHeader(name, stream.nameLength)) {
    refuseModel(kind);
    return false;
  }
  const target = targetOf(stream, config, name, stream.nameLength);
  if (target === null) return send(stream, config, name, stream.nameLength);
  if (!rewriteModel(stream, target.model, target.length, length)) return false;
  stream.target = changetype<usize>(target);
  return send(stream, config, target.model, target.length);
}

/** The model stands in the path, which nothing has to be held for. False: refused and answered. */
export function decidePath(stream: Stream): bool {
  const config = changetype<Root>(stream.root).config;
  const name = stream.name;
  if (!fitsHeader(name, stream.nameLength)) {
    refuseModel(KIND_STRING);
    return false;
  }
  const target = targetOf(stream, config, name, stream.nameLength);
  if (target === null) return send(stream, config, name, stream.nameLength);
  rewritePath(target);
  stream.target = changetype<usize>(target);
  return send(stream, config, target.model, target.length);
}

/** The body names no model. */
function decideWithout(stream: Stream, config: Config, length: u32): bool {
  stream.nameLength = 0;
  const given = config.models.defaultModel;
  if (given.length > 0 && stream.phase != PHASE_MULTIPART) {
    const target = targetOf(stream, config, given.pointer, given.length);
    const model = target === null ? given.pointer : target.model;
    const modelLength = target === null ? given.length : target.length;
    return rewriteModel(stream, model, modelLength, length) && send(stream, config, model, modelLength);
  }
  if (config.body.requireModel) {
    refuseMissing();
    return false;
  }
  fallBack(NO_MODEL, NO_MODEL_REASON, 0, 0);
  return true;
}

/** What takes the place of a name; null when it stays. The configuration's rules win over the snapshot's. */
function targetOf(stream: Stream, config: Config, name: usize, length: u32): Target | null {
  stream.header = 0;
  const own = config.models.hasRules ? resolve(config.models.names, name, length, random) : null;
  const target = own === null ? ruledTarget(stream, name, length) : own;
  if (target === null || bytesEqual(target.model, target.length, name, length)) return null;
  // Routes match the name that the client sent, as behind the body-based router, where a picker rewrites it after the match.
  if (own === null) {
    stream.header = name;
    stream.headerLength = length;
  }
  return target;
}

/** By the snapshot's rules, which may say how important the request is as well. */
function ruledTarget(stream: Stream, name: usize, length: u32): Target | null {
  if (!hasSnapshot()) return null;
  const view = current();
  const rule = ruleFor(view, name, length);
  if (rule == NONE) return null;
  if (ruleHasPriority(view, rule)) {
    stream.priority = rulePriority(view, rule);
    stream.named |= NAMED_PRIORITY;
  }
  return drawTarget(view, rule, random);
}

/** Admits the request for a model and routes it; false: refused and answered, or held (PHASE_HELD). */
function send(stream: Stream, config: Config, model: usize, length: u32): bool {
  stream.served = model;
  stream.servedLength = length;
  if (!stream.header) {
    stream.header = model;
    stream.headerLength = length;
  }
  const known = hasSnapshot() ? findModel(current(), model, length) : NONE;
  if (known == NONE && hasSnapshot() && config.models.rejectUnknown) {
    if (stream.nameLength) refuseUnknown(stream.name, stream.nameLength);
    else refuseUnknown(model, length);
    return false;
  }
  if (known != NONE && !isStale(config) && admit(stream, config, known) != ADMITTED) return false;
  route(stream, config, known);
  return true;
}

/** Lets a held request go on; the effective context is its own. */
export function resumeRequest(stream: Stream): void {
  const config = changetype<Root>(stream.root).config;
  const reads = config.role == ROLE_READER;
  if (reads && !beginReply()) {
    stream.phase = PHASE_PASS;
    return;
  }
  route(stream, config, hasSnapshot() ? findModel(current(), stream.served, stream.servedLength) : NONE);
  stream.phase = PHASE_SENT;
  if (reads) endReply(true);
  else continueRequest();
}

/** Writes the headers for the stream's model, `known` in the snapshot, and picks. */
function route(stream: Stream, config: Config, known: u32): void {
  const model = stream.served;
  const length = stream.servedLength;
  const header = unchecked(config.body.fields[0]).header;
  if (header.length > 0) changeHeader(header, stream.header, stream.headerLength);
  setBaseModel(config, known, model, length);
  if (!hasSnapshot()) fallBack(NO_SNAPSHOT, NO_SNAPSHOT_REASON, model, length);
  else if (known == NONE) fallBack(UNKNOWN_MODEL, UNKNOWN_MODEL_REASON, model, length);
  else if (isStale(config)) fallBack(STALE, STALE_REASON, model, length);
  else {
    weigh(stream, config, model, length);
    const holder = stream.creates ? previousHolder(stream, config) : NONE;
    enterPlace(current(), known, tickTime(), random);
    if (holder == NONE) pick(current(), known, config.pick.profile, input, random, choice);
    else pickOnly(choice, holder);
    if (leavePlace(choice.count > 0)) pick(current(), known, config.pick.profile, input, random, choice);
    if (input.session && choice.count && holder == NONE) count(kept ? SESSION_KEPT : SESSION_MOVED);
    if (choice.count == 0) fallBack(NO_ENDPOINT, NO_ENDPOINT_REASON, model, length);
    else {
      if (config.log.picks || config.pick.dryRun) logPick(current(), model, length);
      usePick(stream, config, current(), known);
    }
  }
}

function usePick(stream: Stream, config: Config, view: SnapshotView, model: u32): void {
  count(PICKED);
  const elsewhere = countPlace(view, random, config.log.picks || config.pick.dryRun);
  if (stream.explanation) writeExplanation(stream, view, model, config.pick.profile, input, choice);
  if (config.pick.dryRun) {
    stream.wouldPick = entryOf(choice.first).hash;
    return;
  }
  if (panicked) count(PANIC);
  stream.counted = started(choice.first);
  stream.since = publishGeneration();
  stream.decidedIn = ticks();
  const entry = entryOf(choice.first);
  if (view.modelKind(model) == MODEL_IS_ADAPTER) adapterSent(input.model, entry, input.now);
  if (config.pick.readsPrompts) {
    stream.tokens = uncached(input, entry);
    stream.sentAt = input.now;
    stream.predicted = predictedSeconds(entry, choice.first, input, <f32>stream.tokens, unseenInFlight(choice.first));
    tokensSent(entry, stream.tokens, input.now);
    if (stream.prompt) {
      const prompt = changetype<Prompt>(stream.prompt);
      insertPrefix(prompt, input.seed, entry);
      if (followPrompt(prompt, input.seed, entry)) {
        stream.prompt = 0;
        stream.lasting = changetype<usize>(prompt);
      }
    }
  }
  let at = append(destination, view, choice.first);
  if (choice.count > 1) at = append(comma(at), view, choice.second);
  // The last retry leaves the place, which may be gone as a whole.
  if (elsewhere != NONE) at = append(comma(at), view, elsewhere);
  else if (choice.count > 2) at = append(comma(at), view, choice.third);
  changeHeader(DESTINATION, destination, <u32>(at - destination));
  if (config.pick.profile.reports) askForReport();
}

/** Of the pod that holds the response that this one goes on from; NONE: it names none, or nobody knows. */
function previousHolder(stream: Stream, config: Config): u32 {
  dropHeader(ACCEPT_ENCODING);
  const state = stateOf(stream);
  const field = config.body.responseField;
  if (fieldKind(state, field) != KIND_STRING) return NONE;
  return holderOf(fieldBytes(state, field), fieldLength(state, field));
}

export function isStale(config: Config): bool {
  return !config.pick.useStale && ageMilliseconds(tickTime()) > config.staleAfterMilliseconds;
}

/** What the picker is told of the request. */
function weigh(stream: Stream, config: Config, model: usize, length: u32): void {
  input.now = config.pick.readsPrompts ? now() : tickTime();
  input.snapshotAge = <u32>ageMilliseconds(tickTime());
  input.model = textHash(model, length);
  input.seed = input.model;
  input.session = stream.session;
  stream.model = input.model;
  input.prompt = stream.prompt;
  input.tokens = <i32>(stream.buffered >> 2);
  if (!stream.prompt) return;
  if (fieldKind(stateOf(stream), config.body.streamField) == KIND_TRUE) stream.streamed = 1;
  input.tokens = <i32>(changetype<Prompt>(stream.prompt).bytes >> 2);
  const state = stateOf(stream);
  const salt = config.body.saltField;
  if (fieldKind(state, salt) == KIND_STRING) input.seed ^= textHash(fieldBytes(state, salt), fieldLength(state, salt));
}

/** Filter state for the access log. Of a pick the headers say the same, and each property costs more than a pick does. */
function logPick(view: SnapshotView, model: usize, length: u32): void {
  setProperty(STATE_MODEL, model, length);
  setProperty(STATE_REASON, PICKED_REASON.pointer, PICKED_REASON.length);
  setProperty(STATE_ENDPOINT, view.address(choice.first), view.addressLength(choice.first));
}

function fallBack(counter: u32, reason: Bytes, model: usize, length: u32): void {
  count(counter);
  if (length > 0) setProperty(STATE_MODEL, model, length);
  setProperty(STATE_REASON, reason.pointer, reason.length);
}

/** Headers of the fields beside `model`; false: one cannot stand in a header, refused. */
function writeFields(state: usize, body: BodyConfig): bool {
  for (let i = 1; i < body.fields.length; i++) {
    const kind = fieldKind(state, i);
    if (kind == KIND_ABSENT || kind == KIND_NULL) continue;
    if (kind == KIND_OBJECT || kind == KIND_ARRAY) {
      count(FIELD_IGNORED);
      continue;
    }
    const unfit = kind == KIND_TOO_LONG || kind == KIND_UNREPRESENTABLE;
    if (unfit || !fitsHeader(fieldBytes(state, i), fieldLength(state, i))) {
      refuseField(unchecked(body.fields[i]).bytes, kind);
      return false;
    }
    changeHeader(unchecked(body.fields[i]).header, fieldBytes(state, i), fieldLength(state, i));
  }
  return true;
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

/** No control characters: nothing is ever injected. Blanks at the ends would be cut off on the way. */
function fitsHeader(text: usize, length: u32): bool {
  if (length == 0) return true;
  for (let i: u32 = 0; i < length; i++) {
    const c: u32 = load<u8>(text + i);
    if (c < 0x20 || c == 0x7f) return false;
  }
  return load<u8>(text) != 0x20 && load<u8>(text + length - 1) != 0x20;
}
