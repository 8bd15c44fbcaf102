// Encodes, decodes and checks learned costs: those in the records of ENDPOINTS, and the section TOKENIZERS.

import * as c from "./constants.ts";
import type { Section } from "./decode-directory.ts";
import { BROKEN_ENDPOINT_COSTS, BROKEN_TOKENIZER_COSTS, BROKEN_TOKENIZER_MODEL } from "./rules.ts";
import type { EndpointView, ModelView, TokenizerView } from "./snapshot.ts";
import { SnapshotError } from "./snapshot-error.ts";

type EndpointCosts = Pick<EndpointView, "prefillRate" | "stepSeconds" | "sequenceSeconds">;

const COSTS = [
  { key: "prefillRate", at: c.ENDPOINT_PREFILL_RATE, max: c.MAX_PREFILL_RATE },
  { key: "stepSeconds", at: c.ENDPOINT_STEP, max: c.MAX_STEP_SECONDS },
  { key: "sequenceSeconds", at: c.ENDPOINT_SEQUENCE, max: c.MAX_STEP_SECONDS },
] as const;

function checkRange(rule: number, field: string, value: number, max: number): void {
  if (!(value >= 0 && value <= max)) throw new SnapshotError(rule, field, value, `a number from 0 to ${max}`);
}

export function checkCosts(costs: EndpointCosts, field: string): void {
  for (const { key, max } of COSTS) checkRange(BROKEN_ENDPOINT_COSTS, `${field}.${key}`, costs[key] ?? 0, max);
}

export function writeCosts(out: DataView, at: number, costs: EndpointCosts): void {
  for (const cost of COSTS) out.setFloat32(at + cost.at, costs[cost.key] ?? 0, true);
}

/** A cost that is not learned is left out. */
export function readCosts(view: DataView, at: number, field: string): EndpointCosts {
  const costs: EndpointCosts = {};
  for (const cost of COSTS) {
    const value = view.getFloat32(at + cost.at, true);
    checkRange(BROKEN_ENDPOINT_COSTS, `${field}.${cost.key}`, value, cost.max);
    if (value > 0) costs[cost.key] = value;
  }
  return costs;
}

function checkTokenizer({ tokensPerRequest, tokensPerByte }: TokenizerView, field: string): void {
  const rule = BROKEN_TOKENIZER_COSTS;
  checkRange(rule, `${field}.tokensPerRequest`, tokensPerRequest, c.MAX_TOKENS_PER_REQUEST);
  if (tokensPerByte.length !== c.BYTE_CLASSES)
    throw new SnapshotError(rule, `${field}.tokensPerByte.length`, tokensPerByte.length, String(c.BYTE_CLASSES));
  for (const [i, tokens] of tokensPerByte.entries())
    checkRange(rule, `${field}.tokensPerByte[${i}]`, tokens, c.MAX_TOKENS_PER_BYTE);
}

export function checkTokenizers(tokenizers: readonly TokenizerView[], models: readonly ModelView[]): void {
  const bases = new Set(models.filter(({ kind }) => kind === "base").map(({ name }) => name));
  for (const [i, tokenizer] of tokenizers.entries()) {
    const field = `tokenizers[${i}]`;
    if (!bases.delete(tokenizer.model))
      throw new SnapshotError(
        BROKEN_TOKENIZER_MODEL,
        `${field}.model`,
        tokenizer.model,
        "the name of a listed base model without another tokenizer",
      );
    checkTokenizer(tokenizer, field);
  }
}

/** Writes the section. `indexOf` gives the index of a model's record. */
export function writeTokenizers(
  out: DataView,
  at: number,
  tokenizers: readonly TokenizerView[],
  indexOf: ReadonlyMap<string, number>,
): void {
  const sorted = tokenizers
    .map((tokenizer) => ({ ...tokenizer, index: indexOf.get(tokenizer.model) ?? c.UNKNOWN }))
    .sort((a, b) => a.index - b.index);
  for (const [i, { index, tokensPerRequest, tokensPerByte }] of sorted.entries()) {
    const record = at + i * c.TOKENIZER_BYTES;
    out.setUint32(record + c.TOKENIZER_MODEL, index, true);
    out.setFloat32(record + c.TOKENIZER_PER_REQUEST, tokensPerRequest, true);
    for (const [k, tokens] of tokensPerByte.entries())
      out.setFloat32(record + c.TOKENIZER_PER_BYTE + k * 4, tokens, true);
  }
}

export function readTokenizers(view: DataView, section: Section, models: readonly ModelView[]): TokenizerView[] {
  let before = -1;
  return Array.from({ length: section.records }, (_, i) => {
    const at = section.offset + i * section.stride;
    const field = `tokenizers[${i}]`;
    const index = view.getUint32(at + c.TOKENIZER_MODEL, true);
    const model = models[index];
    if (model?.kind !== "base" || index <= before)
      throw new SnapshotError(
        BROKEN_TOKENIZER_MODEL,
        `${field}.model`,
        index,
        `the index of a base model above ${before}`,
      );
    before = index;
    const tokenizer = {
      model: model.name,
      tokensPerRequest: view.getFloat32(at + c.TOKENIZER_PER_REQUEST, true),
      tokensPerByte: Array.from({ length: c.BYTE_CLASSES }, (_, k) =>
        view.getFloat32(at + c.TOKENIZER_PER_BYTE + k * 4, true),
      ),
    };
    checkTokenizer(tokenizer, field);
    return tokenizer;
  });
}
