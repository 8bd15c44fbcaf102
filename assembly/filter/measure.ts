// What the filter measures at a request, for its model's sums (endpoints/model-sums.ts): the request itself with its pick, the first
// byte of its response, and `usage` in the response (response/read-usage.ts). A request is measured if its prompt was hashed, and if the
// picked endpoint serves it with status 200.
import { BYTE_CLASSES, MODEL_IS_ADAPTER } from "../../protocol/constants";
import { textHash } from "../base/hash";
import { classCounts } from "../endpoints/cache/byte-classes";
import { Prompt } from "../endpoints/cache/prompt";
import { Entry } from "../endpoints/entry";
import { addFirstByte, addRequest, NO_SUMS, sumsOf } from "../endpoints/model-sums";
import { queueOf } from "../endpoints/waiting-tokens";
import { PickInput } from "../pick/pick-input";
import { NONE, SnapshotView } from "../snapshot/view";
import { Stream } from "./streams";

/** Call after the pick and before its tokens are counted (tokensSent()). `model`: index of the served model. */
export function measure(
  stream: Stream,
  view: SnapshotView,
  model: u32,
  input: PickInput,
  entry: Entry,
  uncached: i32,
): void {
  if (!stream.prompt) return;
  const base = baseHash(view, model, input.model);
  stream.sums = base == 0 ? NO_SUMS : sumsOf(base);
  if (stream.sums == NO_SUMS) return;
  stream.cachedTokens = max(input.tokens - uncached, 0);
  memory.copy(promptOf(stream), classCounts(changetype<Prompt>(stream.prompt)), BYTE_CLASSES * 4);
  if (stream.streamed) stream.tokensAhead = queueOf(entry, input.now) + <f32>uncached;
}

/** Hash of the name of the base model; 0: the adapter's base model is not known. `hash`: hash of the served model's name. */
function baseHash(view: SnapshotView, model: u32, hash: u64): u64 {
  if (view.modelKind(model) != MODEL_IS_ADAPTER) return hash;
  const base = view.modelBase(model);
  return base == NONE ? 0 : textHash(view.modelName(base), view.modelNameLength(base));
}

/** Call when the response will not be as the pick expected: another endpoint serves it, or it is an error. */
export function stopMeasuring(stream: Stream): void {
  stream.sums = NO_SUMS;
}

/** Call at the first byte of the response's body. */
export function measureFirstByte(stream: Stream): void {
  if (stream.sums != NO_SUMS) addRequest(stream.sums, stream.cachedTokens, promptOf(stream));
}

/** Call at the first byte of a streamed response, `seconds` after the pick. */
export function measureSeconds(stream: Stream, seconds: f64): void {
  if (stream.sums != NO_SUMS) addFirstByte(stream.sums, stream.tokensAhead, seconds);
}

/** Address of the counts of the prompt's bytes by class, BYTE_CLASSES u32. */
export function promptOf(stream: Stream): usize {
  return changetype<usize>(stream) + offsetof<Stream>("promptLower");
}

/** Number of the prompt's bytes. */
export function promptBytes(stream: Stream): u32 {
  return stream.promptLower + stream.promptUpper + stream.promptDigits + stream.promptOther + stream.promptHigh;
}
