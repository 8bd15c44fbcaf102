// Estimates the tokens of a prompt from its bytes. A sidecar learns the tokenizer of each base model (section TOKENIZERS of the
// snapshot; protocol/README.md has the formula). Before that, a prompt has a token for every four bytes.
//
// The prefix index needs the tokens of each piece (prompt.ts) too. All pieces of a prompt count the same: the mean.
import {
  BYTE_CLASSES,
  PREFIX_UNIT_TOKENS,
  TOKENIZER_MODEL,
  TOKENIZER_PER_BYTE,
  TOKENIZER_PER_REQUEST,
} from "../../../protocol/constants";
import { NONE, SnapshotView } from "../../snapshot/view";
import { blockBytes, Prompt } from "./prompt";

/** Tokens of a byte, where nothing is learned. The Gateway API's endpoint picker uses the same estimate. */
const USUAL_TOKENS: f32 = 0.25;
/** Limit of the units of a piece: 7 bits of a prefix record (protocol/README.md). */
const MAX_UNITS: u32 = 127;

@unmanaged
class PromptTokens {
  /** Tokens of the whole prompt. */
  all: i32 = 0;
  /** Mean tokens of a piece. */
  piece: f32 = 0;
}

const result = changetype<PromptTokens>(memory.data(offsetof<PromptTokens>(), 4));

/** Estimated tokens of a body that was not hashed. */
export function usualTokens(bytes: u32): i32 {
  return <i32>(<f32>bytes * USUAL_TOKENS);
}

/** Estimates the prompt's tokens for the model with this index, and sets Prompt.units. The record is valid until the next call. */
export function countTokens(view: SnapshotView, model: u32, prompt: Prompt): PromptTokens {
  const tokenizer = tokenizerOf(view, model);
  let tokens: f32 = 0;
  let more: f32 = 0;
  if (tokenizer) {
    more = load<f32>(tokenizer, TOKENIZER_PER_REQUEST);
    for (let k: u32 = 0; k < BYTE_CLASSES; k++) {
      tokens += <f32>prompt.bytesOf(k) * load<f32>(tokenizer + k * 4, TOKENIZER_PER_BYTE);
    }
  } else tokens = <f32>prompt.bytes * USUAL_TOKENS;
  const perByte: f32 = prompt.bytes > 0 ? tokens / <f32>prompt.bytes : USUAL_TOKENS;
  result.all = <i32>min<f32>(tokens + more, MAX_TOKENS);
  result.piece = perByte * <f32>blockBytes();
  const units = <u32>Mathf.round(result.piece / <f32>PREFIX_UNIT_TOKENS);
  prompt.units = min(max<u32>(units, 1), MAX_UNITS);
  return result;
}

/** Limit of an estimate. A larger number would lose its last digits as f32. */
const MAX_TOKENS: f32 = 16777216;

/** Address of the tokenizer of the model, or of its base model if it is an adapter; 0: none is learned. */
function tokenizerOf(view: SnapshotView, model: u32): usize {
  const base = model == NONE ? NONE : view.modelBase(model);
  let low: u32 = 0;
  let high = view.tokenizerCount;
  while (low < high) {
    const middle = (low + high) >> 1;
    const tokenizer = view.tokenizer(middle);
    const at = load<u32>(tokenizer, TOKENIZER_MODEL);
    if (at == base) return tokenizer;
    if (at < base) low = middle + 1;
    else high = middle;
  }
  return 0;
}
