import assert from "node:assert/strict";
import { test } from "node:test";
import { Draws } from "../../bench/sim/draws.ts";
import { makeLoad } from "../../bench/sim/loads.ts";
import { bytesPerToken, TEXT_KINDS, textOf } from "../../bench/sim/texts/text.ts";
import { tokenizerOf } from "../../simulator/engine/tokenizer.ts";

const o200k = tokenizerOf("o200k_base", 4);
const cl100k = tokenizerOf("cl100k_base", 4);
const WRITTEN = TEXT_KINDS.filter((kind) => kind !== "mix");

/** Bytes per token of texts that people wrote: with o200k, with cl100k. Measured on licences, source files, articles and lists. */
const REAL: Readonly<Record<string, readonly [number, number]>> = {
  prose: [5.0, 5.0],
  chinese: [4.4, 2.8],
  japanese: [4.3, 2.9],
  russian: [6.5, 4.4],
  hindi: [8.6, 2.7],
  go: [3.7, 3.7],
  typescript: [3.8, 3.8],
  numbers: [1.8, 1.8],
  base64: [1.7, 1.6],
  schemas: [4.4, 4.5],
};

test("texts have the bytes per token of real texts of their kind", () => {
  for (const [kind, wanted] of Object.entries(REAL)) {
    for (const [i, tokenizer] of [o200k, cl100k].entries()) {
      const bytes = bytesPerToken(kind as "prose", tokenizer);
      const ratio = bytes / (wanted[i] as number);
      assert.ok(Math.abs(ratio - 1) < 0.18, `${kind}, ${tokenizer.name}: ${bytes}, real texts have ${wanted[i]}`);
    }
  }
});

test("a text has as many tokens as a load asks for", () => {
  for (const kind of TEXT_KINDS) {
    for (const bytes of [1.5, 4, 8.6]) {
      const text = textOf(new Draws(5), kind, 300, tokenizerOf("bytes", bytes));
      assert.equal(Buffer.byteLength(text), Math.round(300 * bytes), `${kind}, ${bytes} bytes a token`);
    }
    for (const tokenizer of [o200k, cl100k]) {
      const { count } = tokenizer.encode([textOf(new Draws(6), kind, 3000, tokenizer)]);
      assert.ok(Math.abs(count / 3000 - 1) < 0.06, `${kind}, ${tokenizer.name}: ${count} of 3000 tokens`);
    }
  }
});

test("texts hardly share their beginning", () => {
  for (const kind of WRITTEN) {
    const draws = new Draws(7);
    const begun = new Set(Array.from({ length: 200 }, () => textOf(draws, kind, 80, o200k).slice(0, 100)));
    assert.ok(begun.size > 180, `${kind}: ${begun.size} different beginnings of 200`);
  }
});

test("the same seed gives the same text", () => {
  for (const kind of TEXT_KINDS) {
    assert.equal(textOf(new Draws(8), kind, 100, o200k), textOf(new Draws(8), kind, 100, o200k), kind);
  }
});

test("a load keeps its number of tokens with every tokenizer, and the endpoint picker its blocks of 64 bytes", () => {
  const load = (params: object, texts: "noise" | "mix") =>
    makeLoad("shared-80", { seed: 9, requests: 40, params, texts }).requests;
  for (const tokenBytes of [1.5, 2, 4, 6, 8.6]) {
    for (const { messages, prompt, blocks } of load({ tokenBytes }, "noise")) {
      const [system, user] = messages.map(({ content }) => Buffer.byteLength(String(content))) as [number, number];
      assert.equal(system, 6000 * tokenBytes);
      // The template adds two markers of roles and four line breaks, 22 bytes in all.
      assert.equal(prompt.tokens, Math.ceil((system + user + 22) / tokenBytes), `${tokenBytes} bytes a token`);
      assert.equal(blocks.length, Math.min(256, Math.floor(JSON.stringify(messages).length / 64)));
    }
  }
  for (const { messages } of load({ tokenizer: "o200k_base" }, "mix")) {
    const { count } = o200k.encode([String(messages[0]?.content)]);
    assert.ok(Math.abs(count / 6000 - 1) < 0.06, `${count} tokens`);
  }
});
