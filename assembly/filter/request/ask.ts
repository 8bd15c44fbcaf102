// Finds what a request asks for. The body or the path names a model, and the rules for names may replace it. The configuration
// chooses further fields of the body, whose values go into headers. fillInput() collects the input of the pick.
import { bytesEqual } from "../../base/bytes";
import { textHash } from "../../base/hash";
import { Random } from "../../base/random";
import { BodyConfig } from "../../config/body-config";
import { Config } from "../../config/config";
import { Prompt } from "../../endpoints/cache/prompt";
import { countTokens, usualTokens } from "../../endpoints/cache/prompt-tokens";
import { now } from "../../host/calls";
import { tickTime } from "../../host/tick-time";
import { PickInput } from "../../pick/pick-input";
import { resolve, Target } from "../../route/configured-rules";
import { drawTarget, ruleFor } from "../../route/snapshot-rules";
import {
  fieldBytes,
  fieldKind,
  fieldLength,
  VALUE_ABSENT,
  VALUE_ARRAY,
  VALUE_NULL,
  VALUE_OBJECT,
  VALUE_STRING,
  VALUE_TOO_LONG,
  VALUE_TRUE,
  VALUE_UNREPRESENTABLE,
} from "../../scan/json/fields";
import { multipartKind, multipartValue, multipartValueLength } from "../../scan/multipart/multipart";
import { ageMilliseconds, current, hasSnapshot } from "../../snapshot/current";
import { ruleHasPriority, rulePriority } from "../../snapshot/objects";
import { NONE, SnapshotView } from "../../snapshot/view";
import { count, FIELD_IGNORED } from "../../stats";
import { changeHeader } from "../headers/changes";
import { Root } from "../root";
import { NAMED_PRIORITY, PHASE_MULTIPART, Stream, stateOf } from "../streams";
import { refuseField, refuseMissing, refuseModel } from "./refuse";
import { rewriteModel, rewritePath } from "./rewrite";

// Results of askBody() and askPath().

/** The filter refused and answered the request. */
const ASK_REFUSED: u32 = 0;
/** The request asks for a model. stream.served is the model's name, and stream.header is the value of the model's header. */
export const ASK_MODEL: u32 = 1;
/** The body names no model, and the configuration has no default model. */
export const ASK_NO_MODEL: u32 = 2;

/** Finds what a request with a body asks for. The body is whole and has `length` bytes. Returns ASK_... */
export function askBody(stream: Stream, length: u32, random: Random): u32 {
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
    if (config.body.fields.length > 1 && !writeFields(state, config.body)) return ASK_REFUSED;
  }
  if (kind == VALUE_ABSENT || kind == VALUE_NULL || (kind == VALUE_STRING && stream.nameLength == 0)) {
    return askDefault(stream, config, length, random);
  }
  const name = stream.name;
  if (kind != VALUE_STRING || !fitsHeader(name, stream.nameLength)) {
    refuseModel(kind);
    return ASK_REFUSED;
  }
  const target = targetOf(stream, config, name, stream.nameLength, random);
  if (target === null) return askModel(stream, name, stream.nameLength);
  if (!rewriteModel(stream, target.model, target.length, length)) return ASK_REFUSED;
  stream.target = changetype<usize>(target);
  return askModel(stream, target.model, target.length);
}

/** Finds what a request asks for whose path names the model. stream.name is that name. Returns ASK_... */
export function askPath(stream: Stream, random: Random): u32 {
  const name = stream.name;
  if (!fitsHeader(name, stream.nameLength)) {
    refuseModel(VALUE_STRING);
    return ASK_REFUSED;
  }
  const config = changetype<Root>(stream.root).config;
  const target = targetOf(stream, config, name, stream.nameLength, random);
  if (target === null) return askModel(stream, name, stream.nameLength);
  rewritePath(target, config.paths);
  stream.target = changetype<usize>(target);
  return askModel(stream, target.model, target.length);
}

/** Takes the default model for a body that names no model. Returns ASK_... */
function askDefault(stream: Stream, config: Config, length: u32, random: Random): u32 {
  stream.nameLength = 0;
  const given = config.models.defaultModel;
  if (given.length > 0 && stream.phase != PHASE_MULTIPART) {
    const target = targetOf(stream, config, given.pointer, given.length, random);
    const model = target === null ? given.pointer : target.model;
    const modelLength = target === null ? given.length : target.length;
    return rewriteModel(stream, model, modelLength, length) ? askModel(stream, model, modelLength) : ASK_REFUSED;
  }
  if (!config.body.requireModel) return ASK_NO_MODEL;
  refuseMissing();
  return ASK_REFUSED;
}

function askModel(stream: Stream, model: usize, length: u32): u32 {
  stream.served = model;
  stream.servedLength = length;
  if (!stream.header) {
    stream.header = model;
    stream.headerLength = length;
  }
  return ASK_MODEL;
}

/** Returns what replaces a name; null: the name stays. The configuration's rules win over the snapshot's. */
function targetOf(stream: Stream, config: Config, name: usize, length: u32, random: Random): Target | null {
  stream.header = 0;
  const own = config.models.hasRules ? resolve(config.models.names, name, length, random) : null;
  const target = own === null ? ruledTarget(stream, name, length, random) : own;
  if (target === null || bytesEqual(target.model, target.length, name, length)) return null;
  // After a rule of the snapshot, routes still match the name that the client sent. Routes behind the Inference Extension's
  // body-based router do so too, because its endpoint picker rewrites the name only after the route is chosen.
  if (own === null) {
    stream.header = name;
    stream.headerLength = length;
  }
  return target;
}

/** Draws what replaces a name by the snapshot's rules. A rule may also give the request a priority. */
function ruledTarget(stream: Stream, name: usize, length: u32, random: Random): Target | null {
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

/** Writes all fields but `model` into their headers. Returns false after a refusal, when no header can carry a value. */
function writeFields(state: usize, body: BodyConfig): bool {
  for (let i = 1; i < body.fields.length; i++) {
    const kind = fieldKind(state, i);
    if (kind == VALUE_ABSENT || kind == VALUE_NULL) continue;
    if (kind == VALUE_OBJECT || kind == VALUE_ARRAY) {
      count(FIELD_IGNORED);
      continue;
    }
    const unfit = kind == VALUE_TOO_LONG || kind == VALUE_UNREPRESENTABLE;
    if (unfit || !fitsHeader(fieldBytes(state, i), fieldLength(state, i))) {
      refuseField(unchecked(body.fields[i]).bytes, kind);
      return false;
    }
    changeHeader(unchecked(body.fields[i]).header, fieldBytes(state, i), fieldLength(state, i));
  }
  return true;
}

/** Returns whether a header can carry the text. Control characters could inject headers. Blanks at the ends would be cut off. */
function fitsHeader(text: usize, length: u32): bool {
  if (length == 0) return true;
  for (let i: u32 = 0; i < length; i++) {
    const c: u32 = load<u8>(text + i);
    if (c < 0x20 || c == 0x7f) return false;
  }
  return load<u8>(text) != 0x20 && load<u8>(text + length - 1) != 0x20;
}

/** Fills `input` with what the filter knows of the request. `model`: the index of its model in the snapshot. */
export function fillInput(stream: Stream, config: Config, view: SnapshotView, model: u32, input: PickInput): void {
  input.now = config.pick.readsPrompts ? now() : tickTime();
  input.snapshotAge = <u32>ageMilliseconds(tickTime());
  input.model = textHash(stream.served, stream.servedLength);
  input.seed = input.model;
  input.session = stream.session;
  stream.model = input.model;
  input.prompt = stream.prompt;
  input.tokens = usualTokens(stream.buffered);
  if (!stream.prompt) return;
  if (fieldKind(stateOf(stream), config.body.streamField) == VALUE_TRUE) stream.streamed = 1;
  const tokens = countTokens(view, model, changetype<Prompt>(stream.prompt));
  input.tokens = tokens.all;
  input.pieceTokens = tokens.piece;
  const state = stateOf(stream);
  const salt = config.body.saltField;
  if (fieldKind(state, salt) == VALUE_STRING) input.seed ^= textHash(fieldBytes(state, salt), fieldLength(state, salt));
}
