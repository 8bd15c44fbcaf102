// Malformed snapshots with learned costs.

import * as c from "../constants.ts";
import {
  BROKEN_ENDPOINT_COSTS,
  BROKEN_SECTION_STRIDE,
  BROKEN_TOKENIZER_COSTS,
  BROKEN_TOKENIZER_MODEL,
} from "../rules.ts";
import { type Case, entryOf } from "./malformed-case.ts";

// The cases edit the golden snapshot `costs` (golden.ts). Its models are llama, lora, plain and qwen; llama and qwen have tokenizers.
export const COST_CASES: readonly Case[] = [
  [
    "prefill-rate-nan",
    BROKEN_ENDPOINT_COSTS,
    "a prefill rate that is no number",
    "endpoints[0].prefillRate",
    (o, at) => void o.setFloat32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_PREFILL_RATE, Number.NaN, true),
  ],
  [
    "prefill-rate-negative",
    BROKEN_ENDPOINT_COSTS,
    "a negative prefill rate",
    "endpoints[1].prefillRate",
    (o, at) => void o.setFloat32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_BYTES + c.ENDPOINT_PREFILL_RATE, -1, true),
  ],
  [
    "step-infinite",
    BROKEN_ENDPOINT_COSTS,
    "a step that never ends",
    "endpoints[0].stepSeconds",
    (o, at) => void o.setFloat32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_STEP, Number.POSITIVE_INFINITY, true),
  ],
  [
    "sequence-too-long",
    BROKEN_ENDPOINT_COSTS,
    "a sequence that adds more than an hour to a step",
    "endpoints[0].sequenceSeconds",
    (o, at) => void o.setFloat32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_SEQUENCE, c.MAX_STEP_SECONDS * 2, true),
  ],
  [
    "tokenizer-outside",
    BROKEN_TOKENIZER_MODEL,
    "a tokenizer's model past the models",
    "tokenizers[0].model",
    (o, at) => void o.setUint32(at(c.SECTION_TOKENIZERS) + c.TOKENIZER_MODEL, 4, true),
  ],
  [
    "tokenizer-of-adapter",
    BROKEN_TOKENIZER_MODEL,
    "a tokenizer of an adapter",
    "tokenizers[0].model",
    (o, at) => void o.setUint32(at(c.SECTION_TOKENIZERS) + c.TOKENIZER_MODEL, 1, true),
  ],
  [
    "tokenizer-twice",
    BROKEN_TOKENIZER_MODEL,
    "two tokenizers of one model",
    "tokenizers[1].model",
    (o, at) => void o.setUint32(at(c.SECTION_TOKENIZERS) + c.TOKENIZER_BYTES + c.TOKENIZER_MODEL, 0, true),
  ],
  [
    "tokenizer-per-request",
    BROKEN_TOKENIZER_COSTS,
    "negative tokens a request",
    "tokenizers[1].tokensPerRequest",
    (o, at) => void o.setFloat32(at(c.SECTION_TOKENIZERS) + c.TOKENIZER_BYTES + c.TOKENIZER_PER_REQUEST, -1, true),
  ],
  [
    "tokenizer-per-byte",
    BROKEN_TOKENIZER_COSTS,
    "17 tokens a byte",
    "tokenizers[0].tokensPerByte[4]",
    (o, at) => void o.setFloat32(at(c.SECTION_TOKENIZERS) + c.TOKENIZER_PER_BYTE + 16, 17, true),
  ],
  [
    "tokenizer-stride",
    BROKEN_SECTION_STRIDE,
    "tokenizer records of 24 bytes",
    "sections[3](TOKENIZERS).stride",
    (o) => void o.setUint16(entryOf(o, c.SECTION_TOKENIZERS) + c.DIRECTORY_STRIDE, 24, true),
  ],
];
