// The texts of the loads: random texts of several languages and kinds, with as many tokens as a load asks for.
import type { Tokenizer } from "../../../simulator/engine/tokenizer.ts";
import { Random } from "../../../testkit/random.ts";

/** `noise`: random letters and digits. `mix`: one of the other kinds for each text, drawn at random. */
export const TEXT_KINDS = ["noise", "mix"] as const;
export type TextKind = (typeof TEXT_KINDS)[number];

/**
 * Returns a random text of `tokens` tokens, which hardly ever occurs twice. With a fixed number of bytes per token the number is exact.
 * With a vocabulary the text has as many bytes as texts of its kind need on average for this number.
 */
export function textOf(draws: Random, kind: TextKind, tokens: number, tokenizer: Tokenizer): string {
  return noise(draws, Math.round(tokens * bytesPerToken(kind, tokenizer)));
}

const SAMPLE_BYTES = 32_768;
const measured = new Map<string, number>();

/** Bytes per token of a sample of this kind. */
function bytesPerToken(kind: TextKind, tokenizer: Tokenizer): number {
  if (tokenizer.tokenBytes !== undefined) return tokenizer.tokenBytes;
  const key = `${tokenizer.name} ${kind}`;
  let bytes = measured.get(key);
  if (bytes === undefined) {
    const sample = noise(new Random(1), SAMPLE_BYTES);
    bytes = Buffer.byteLength(sample) / tokenizer.encode([sample]).count;
    measured.set(key, bytes);
  }
  return bytes;
}

function noise(draws: Random, bytes: number): string {
  let text = "";
  while (text.length < bytes) text += `${draws.next().toString(36)} `;
  return text.slice(0, bytes);
}
