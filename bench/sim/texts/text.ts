// The texts of the loads: random texts of several languages and kinds, with as many tokens as a load asks for.
import type { Tokenizer } from "../../../simulator/engine/tokenizer.ts";
import { Random } from "../../../testkit/random.ts";
import { readGrammar } from "./grammar.ts";

/** Kinds that have a grammar in this folder. */
const WRITTEN_KINDS = [
  "prose",
  "chinese",
  "japanese",
  "russian",
  "hindi",
  "go",
  "typescript",
  "numbers",
  "base64",
  "schemas",
] as const;

/** `noise`: random letters and digits. `mix`: one of the written kinds for each text, drawn at random. */
export const TEXT_KINDS = ["noise", "mix", ...WRITTEN_KINDS] as const;
export type TextKind = (typeof TEXT_KINDS)[number];

/**
 * Returns a random text of `tokens` tokens, which hardly ever occurs twice. With a fixed number of bytes per token the number is exact.
 * With a vocabulary the text has as many bytes as texts of its kind need on average for this number.
 */
export function textOf(draws: Random, kind: TextKind, tokens: number, tokenizer: Tokenizer): string {
  const one = kind === "mix" ? draws.pick(WRITTEN_KINDS) : kind;
  return makers(one)(draws, Math.round(tokens * bytesPerToken(one, tokenizer)));
}

type SingleKind = Exclude<TextKind, "mix">;

const SAMPLE_BYTES = 65_536;
const measured = new Map<string, number>();

/** Returns the bytes per token of a sample of this kind. */
export function bytesPerToken(kind: SingleKind, tokenizer: Tokenizer): number {
  if (tokenizer.tokenBytes !== undefined) return tokenizer.tokenBytes;
  const key = `${tokenizer.name} ${kind}`;
  let bytes = measured.get(key);
  if (bytes === undefined) {
    bytes = SAMPLE_BYTES / tokenizer.encode([makers(kind)(new Random(1), SAMPLE_BYTES)]).count;
    measured.set(key, bytes);
  }
  return bytes;
}

/** Makes a text of exactly so many bytes. */
type Maker = (draws: Random, bytes: number) => string;
const made = new Map<SingleKind, Maker>([["noise", noise]]);

function makers(kind: SingleKind): Maker {
  let maker = made.get(kind);
  if (maker === undefined) {
    maker = written(readGrammar(kind));
    made.set(kind, maker);
  }
  return maker;
}

function noise(draws: Random, bytes: number): string {
  let text = "";
  while (text.length < bytes) text += `${draws.next().toString(36)} `;
  return text.slice(0, bytes);
}

function written(lines: (draws: Random) => string): Maker {
  return (draws, bytes) => {
    const pieces: Buffer[] = [];
    let size = 0;
    while (size < bytes) {
      const piece = Buffer.from(lines(draws));
      pieces.push(piece);
      size += piece.length;
    }
    const all = Buffer.concat(pieces);
    // A character is not cut in two: a cut moves to its start, and full stops fill the gap.
    let end = bytes;
    while (end > 0 && end < all.length && ((all[end] as number) & 0xc0) === 0x80) end--;
    return all.toString("utf8", 0, end) + ".".repeat(bytes - end);
  };
}
