// The tokenizers of a simulated pod: a fixed number of bytes per token, or a real vocabulary.
import { createRequire } from "node:module";

/** The tokens of a prompt. */
interface Tokens {
  /** The number of tokens, at least 1. */
  count: number;
  /** The whole tokens. Equal ids mean equal tokens. The view is valid until the next call of `encode`. */
  ids: Int32Array;
}

export interface Tokenizer {
  /** For messages and tables: `4 bytes a token`, or the name of the vocabulary. */
  readonly name: string;
  /** Bytes of each token; undefined if they differ from token to token. */
  readonly tokenBytes: number | undefined;
  /** Tokenizes the parts of a prompt in order. A vocabulary never joins the end of a part with the next part. */
  encode(parts: readonly string[]): Tokens;
}

export const TOKENIZER_NAMES = ["bytes", "o200k_base", "cl100k_base"] as const;
/** `bytes`: each token has a fixed number of bytes. The other names are vocabularies of the npm package gpt-tokenizer. */
export type TokenizerName = (typeof TOKENIZER_NAMES)[number];

const made = new Map<string, Tokenizer>();

/** Returns the tokenizer with this name. A vocabulary is loaded with its first use. `tokenBytes` matters only for `bytes`: a number from 1 to 16, not always whole. */
export function tokenizerOf(name: TokenizerName, tokenBytes: number): Tokenizer {
  const key = name === "bytes" ? `${tokenBytes}` : name;
  let tokenizer = made.get(key);
  if (tokenizer === undefined) {
    tokenizer = name !== "bytes" ? vocabulary(name) : tokenBytes === 4 ? fourBytes() : fixedBytes(tokenBytes);
    made.set(key, tokenizer);
  }
  return tokenizer;
}

const encoder = new TextEncoder();
/** Prompts up to this size use one buffer again and again. A larger prompt gets a buffer of its own. */
const KEEP_BYTES = 1 << 20;
const kept = new Int32Array(KEEP_BYTES / 4);

/** Writes a text as UTF-8 to the start of a buffer of whole words. */
function utf8(text: string): { words: Int32Array; bytes: Uint8Array; written: number } {
  // A UTF-16 unit takes at most three bytes of UTF-8.
  const room = Math.ceil((text.length * 3) / 4) + 1;
  const words = room <= kept.length ? kept : new Int32Array(room);
  const bytes = new Uint8Array(words.buffer);
  return { words, bytes, written: encoder.encodeInto(text, bytes).written };
}

/** Four bytes a token: a token's id is its bytes. */
function fourBytes(): Tokenizer {
  return {
    name: "4 bytes a token",
    tokenBytes: 4,
    encode(parts) {
      const { words, written } = utf8(parts.length === 1 ? (parts[0] as string) : parts.join(""));
      return { count: Math.max(1, Math.ceil(written / 4)), ids: words.subarray(0, written >> 2) };
    },
  };
}

/** Token i has the bytes from floor(i · tokenBytes) up to floor((i + 1) · tokenBytes). Its id is a hash of the bytes. */
function fixedBytes(tokenBytes: number): Tokenizer {
  let scratch = new Int32Array(1 << 16);
  return {
    name: `${tokenBytes} bytes a token`,
    tokenBytes,
    encode(parts) {
      const { bytes, written } = utf8(parts.length === 1 ? (parts[0] as string) : parts.join(""));
      const whole = Math.floor(written / tokenBytes);
      if (scratch.length < whole) scratch = new Int32Array(whole * 2);
      let at = 0;
      for (let i = 0; i < whole; i++) {
        let id = 0x811c9dc5;
        for (const end = Math.min(written, Math.floor((i + 1) * tokenBytes)); at < end; at++) {
          id = Math.imul(id ^ (bytes[at] as number), 0x01000193);
        }
        scratch[i] = id;
      }
      return { count: Math.max(1, Math.ceil(written / tokenBytes)), ids: scratch.subarray(0, whole) };
    },
  };
}

/** Texts shorter than this are tokenized again each time. */
const CACHED_FROM = 64;
/** After so many UTF-16 units of text the package forgets the words it has seen. */
const MERGED_UNITS = 16 * 1024 * 1024;
/** Limit of the cached texts, in UTF-16 units. */
const CACHED_UNITS = 32 * 1024 * 1024;

/**
 * A vocabulary of gpt-tokenizer. The package is loaded with the first use, because its tables take some 200 ms. Tokens of parts
 * that come again are cached, since prompts share system prompts and earlier turns.
 */
function vocabulary(name: Exclude<TokenizerName, "bytes">): Tokenizer {
  const load = createRequire(import.meta.url);
  const vocabularyPackage = load(
    `gpt-tokenizer/encoding/${name}`,
  ) as typeof import("gpt-tokenizer/encoding/o200k_base");
  const { encode: encodeText, setMergeCacheSize, clearMergeCache } = vocabularyPackage;
  // The package remembers the tokens of words. With a full memory each new word costs five times as much, so it never gets full.
  setMergeCacheSize(Number.MAX_SAFE_INTEGER);
  let unitsUntilClear = MERGED_UNITS;
  // The name of a special token in a prompt is plain text, as for a server that reads a chat.
  const options = { disallowedSpecial: new Set<string>() };
  const encode = (text: string): number[] => {
    unitsUntilClear -= text.length;
    if (unitsUntilClear < 0) {
      clearMergeCache();
      unitsUntilClear = MERGED_UNITS;
    }
    return encodeText(text, options);
  };
  const cache = new Map<string, Int32Array>();
  let units = 0;
  let scratch = new Int32Array(1 << 16);

  const tokensOf = (text: string): ArrayLike<number> => {
    if (text.length < CACHED_FROM) return encode(text);
    let ids = cache.get(text);
    if (ids === undefined) {
      ids = Int32Array.from(encode(text));
      units += text.length;
    } else {
      cache.delete(text);
    }
    cache.set(text, ids);
    for (const oldest of cache.keys()) {
      if (units <= CACHED_UNITS || oldest === text) break;
      cache.delete(oldest);
      units -= oldest.length;
    }
    return ids;
  };

  return {
    name,
    tokenBytes: undefined,
    encode(parts) {
      let count = 0;
      for (const part of parts) {
        const ids = tokensOf(part);
        if (scratch.length < count + ids.length) {
          const larger = new Int32Array((count + ids.length) * 2);
          larger.set(scratch.subarray(0, count));
          scratch = larger;
        }
        scratch.set(ids, count);
        count += ids.length;
      }
      return { count: Math.max(1, count), ids: scratch.subarray(0, count) };
    },
  };
}
