import type { Tokenizer } from "./tokenizer.ts";

/** A prompt as the engine sees it. The hash of a full block covers all tokens up to the block's end, so equal hashes mean equal prefixes. */
export interface Prompt {
  tokens: number;
  hashes: Float64Array;
}

/**
 * Makes a prompt of a text, or of the parts of a text in order. A part that comes again, such as a system prompt, costs little.
 * `salt` keeps the blocks of different models and adapters apart.
 */
export function promptOf(
  text: string | readonly string[],
  blockSize: number,
  salt: string,
  tokenizer: Tokenizer,
): Prompt {
  const { count, ids } = tokenizer.encode(typeof text === "string" ? [text] : text);
  return { tokens: count, hashes: chain(ids, ids.length, blockSize, salt) };
}

/** Makes a prompt of token ids. */
export function promptOfIds(ids: readonly number[], blockSize: number, salt: string): Prompt {
  const scratch = Int32Array.from(ids);
  return { tokens: Math.max(1, ids.length), hashes: chain(scratch, ids.length, blockSize, salt) };
}

/**
 * Returns the hash of each full block. Two 32-bit multiplicative hashes go on from block to block, and are joined to 53 bits,
 * which a number stores exactly.
 */
function chain(tokens: Int32Array, count: number, blockSize: number, salt: string): Float64Array {
  let a = 0x9e3779b9;
  let b = 0x85ebca6b;
  for (let i = 0; i < salt.length; i++) {
    a = Math.imul(a ^ salt.charCodeAt(i), 0x01000193);
    b = Math.imul(b + salt.charCodeAt(i), 0x27d4eb2f);
  }
  const blocks = Math.floor(count / blockSize);
  const hashes = new Float64Array(blocks);
  let i = 0;
  for (let block = 0; block < blocks; block++) {
    for (const end = i + blockSize; i < end; i++) {
      const token = tokens[i] as number;
      a = Math.imul(a ^ token, 0x9e3779b1);
      a ^= a >>> 15;
      b = Math.imul(b ^ token, 0x85ebca77);
      b ^= b >>> 13;
    }
    hashes[block] = (b & 0x1fffff) * 0x1_0000_0000 + (a >>> 0);
  }
  return hashes;
}

const FILLER =
  "the quick pod reads one prompt and then says many words that mean very little but come when they are due so that a bench may see how long each took to cross the wire and in what order".split(
    " ",
  );

/** Returns the text of the generated token `index`, counted from 0. The same index always gives the same text. */
function fillerToken(index: number): string {
  const word = FILLER[index % FILLER.length] as string;
  return index === 0 ? word : ` ${word}`;
}

/** Returns the text of the generated tokens from `from` up to, not including, `to`. */
export function fillerText(from: number, to: number): string {
  let text = "";
  for (let i = from; i < to; i++) text += fillerToken(i);
  return text;
}
