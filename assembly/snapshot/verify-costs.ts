// Verifies what a sidecar has learned: the costs in the records of ENDPOINTS, and the optional section TOKENIZERS.

import {
  BYTE_CLASSES,
  ENDPOINT_PREFILL_RATE,
  ENDPOINT_SEQUENCE,
  ENDPOINT_STEP,
  MAX_PREFILL_RATE,
  MAX_STEP_SECONDS,
  MAX_TOKENS_PER_BYTE,
  MAX_TOKENS_PER_REQUEST,
  MODEL_IS_BASE,
  TOKENIZER_MODEL,
  TOKENIZER_PER_BYTE,
  TOKENIZER_PER_REQUEST,
} from "../../protocol/constants";
import { BROKEN_ENDPOINT_COSTS, BROKEN_TOKENIZER_COSTS, BROKEN_TOKENIZER_MODEL, VALID } from "../../protocol/rules";
import { SnapshotView } from "./view";

/** Returns VALID, or the number of the first broken rule. The endpoints and models must be verified before. */
export function verifyCosts(view: SnapshotView): u32 {
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    const endpoint = view.endpoint(i);
    if (!isFrom0To(load<f32>(endpoint, ENDPOINT_PREFILL_RATE), MAX_PREFILL_RATE)) return BROKEN_ENDPOINT_COSTS;
    if (!isFrom0To(load<f32>(endpoint, ENDPOINT_STEP), MAX_STEP_SECONDS)) return BROKEN_ENDPOINT_COSTS;
    if (!isFrom0To(load<f32>(endpoint, ENDPOINT_SEQUENCE), MAX_STEP_SECONDS)) return BROKEN_ENDPOINT_COSTS;
  }
  for (let i: u32 = 0; i < view.tokenizerCount; i++) {
    const model = load<u32>(view.tokenizer(i), TOKENIZER_MODEL);
    if (model >= view.modelCount || view.modelKind(model) != MODEL_IS_BASE) return BROKEN_TOKENIZER_MODEL;
    if (i > 0 && load<u32>(view.tokenizer(i - 1), TOKENIZER_MODEL) >= model) return BROKEN_TOKENIZER_MODEL;
    if (!isFrom0To(load<f32>(view.tokenizer(i), TOKENIZER_PER_REQUEST), MAX_TOKENS_PER_REQUEST))
      return BROKEN_TOKENIZER_COSTS;
    for (let k: u32 = 0; k < BYTE_CLASSES; k++) {
      if (!isFrom0To(load<f32>(view.tokenizer(i) + k * 4, TOKENIZER_PER_BYTE), MAX_TOKENS_PER_BYTE))
        return BROKEN_TOKENIZER_COSTS;
    }
  }
  return VALID;
}

/** False for NaN too. */
function isFrom0To(x: f32, most: u32): bool {
  return x >= 0 && x <= <f32>most;
}
