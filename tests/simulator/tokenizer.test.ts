import assert from "node:assert/strict";
import { test } from "node:test";
import { promptOf } from "../../simulator/engine/prompt.ts";
import { tokenizerOf } from "../../simulator/engine/tokenizer.ts";

const text = "The pods read each prompt once, and the next prompt begins where the last one ended. ".repeat(40);

test("a fixed tokenizer counts a token for each started share of its bytes", () => {
  for (const bytes of [1, 1.5, 2, 3, 4, 5, 6, 8.6, 16]) {
    const { count, ids } = tokenizerOf("bytes", bytes).encode([text]);
    assert.equal(count, Math.ceil(text.length / bytes), `${bytes} bytes a token`);
    assert.equal(ids.length, Math.floor(text.length / bytes), `${bytes} bytes a token`);
  }
  assert.equal(tokenizerOf("bytes", 3).encode([""]).count, 1, "an empty prompt has a token");
  assert.equal(tokenizerOf("bytes", 3).encode(["€€"]).count, 2, "bytes of UTF-8 count");
});

test("with every tokenizer equal beginnings give equal blocks, and a changed byte changes all later blocks", () => {
  for (const tokenizer of [tokenizerOf("bytes", 1.5), tokenizerOf("bytes", 5), tokenizerOf("o200k_base", 4)]) {
    const whole = promptOf(text, 16, "", tokenizer).hashes;
    const longer = promptOf([text, "and a question"], 16, "", tokenizer).hashes;
    const changed = promptOf(`${text.slice(0, 600)}Z${text.slice(601)}`, 16, "", tokenizer).hashes;
    const equal = (other: Float64Array) => whole.findIndex((hash, i) => hash !== other[i]);
    assert.ok(whole.length > 30, tokenizer.name);
    assert.ok([-1, whole.length - 1].includes(equal(longer)), `${tokenizer.name}: ${equal(longer)}`);
    const first = equal(changed);
    assert.ok(first > 0 && first < 30, `${tokenizer.name}: ${first}`);
    for (let i = first; i < Math.min(whole.length, changed.length); i++) assert.notEqual(whole[i], changed[i]);
  }
});

test("parts are joined for bytes, and a fixed token may have bytes of two parts", () => {
  const tokenizer = tokenizerOf("bytes", 4);
  assert.equal(tokenizer.encode(["ab", "cd"]).count, 1);
  assert.deepEqual([...tokenizer.encode(["ab", "cdef"]).ids], [...tokenizer.encode(["abcdef"]).ids]);
});

test("a vocabulary tokenizes as its model does, and the name of a special token is plain text", () => {
  // The ids are those of OpenAI's tiktoken.
  assert.deepEqual([...tokenizerOf("o200k_base", 4).encode(["hello world"]).ids], [24912, 2375]);
  assert.deepEqual([...tokenizerOf("cl100k_base", 4).encode(["hello world"]).ids], [15339, 1917]);
  assert.ok(tokenizerOf("o200k_base", 4).encode(["<|endoftext|>"]).count > 3);
  assert.equal(tokenizerOf("o200k_base", 4).encode([""]).count, 1, "an empty prompt has a token");
});

test("a part that comes again has the same tokens", () => {
  const tokenizer = tokenizerOf("cl100k_base", 4);
  const first = [...tokenizer.encode([text, "one"]).ids];
  assert.deepEqual([...tokenizer.encode([text, "one"]).ids], first);
  assert.deepEqual([...tokenizer.encode([text]).ids], first.slice(0, -1));
});
