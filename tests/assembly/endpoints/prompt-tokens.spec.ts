import { usePrefixes } from "../../../assembly/endpoints/cache/prefix-index";
import { BLOCK_BYTES, closePrompt, feedPrompt, openPrompt, Prompt } from "../../../assembly/endpoints/cache/prompt";
import { countTokens, usualTokens } from "../../../assembly/endpoints/cache/prompt-tokens";
import { NONE, SnapshotView } from "../../../assembly/snapshot/view";
import { MODEL_IS_ADAPTER, UNKNOWN } from "../../../protocol/constants";
import { Builder } from "../support/builder";

usePrefixes(BLOCK_BYTES);
const text: usize = memory.data(4096, 8);
const USUAL: f32[] = [0.25, 0.25, 0.25, 0.25, 0.25];

function all(x: f32): f32[] {
  return [x, x, x, x, x];
}

/** A prompt of `bytes` lower-case letters. */
function letters(bytes: u32): Prompt {
  const prompt = openPrompt()!;
  memory.fill(text, 0x61, bytes);
  feedPrompt(prompt, text, bytes);
  return prompt;
}

/** A snapshot with the one model m, whose tokenizer has these numbers. */
function one(perRequest: f32, perByte: f32[]): SnapshotView {
  const builder = new Builder();
  builder.pod("10.0.0.1:8000");
  builder.model("m", [0]);
  builder.tokenizer(0, perRequest, perByte);
  return builder.view();
}

/** Models 0 to 6. Some have a tokenizer: model i then makes (i + 1) / 8 tokens of a byte. Model 5 is an adapter of model 3. */
function seven(): SnapshotView {
  const builder = new Builder();
  builder.pod("10.0.0.1:8000");
  for (let i: u32 = 0; i < 7; i++) builder.model(`m${i}`, [0]);
  builder.models[5].kind = <u16>MODEL_IS_ADAPTER;
  builder.models[5].base = 3;
  builder.models[2].kind = <u16>MODEL_IS_ADAPTER;
  builder.models[2].base = UNKNOWN;
  const told: u32[] = [0, 3, 4, 6];
  for (let i = 0; i < told.length; i++) builder.tokenizer(told[i], 0, all(<f32>(told[i] + 1) / 8));
  return builder.view();
}

/** Estimated tokens of a prompt of 800 lower-case letters. */
function tokensOf(view: SnapshotView, model: u32): i32 {
  const prompt = letters(800);
  const tokens = countTokens(view, model, prompt).all;
  closePrompt(prompt);
  return tokens;
}

describe("a prompt's tokens", () => {
  test("are its bytes of each class times the class's tokens a byte, and the tokens of a request", () => {
    const prompt = openPrompt()!;
    const bytes: u8[] = [0x61, 0x41, 0x30, 0x20, 0xe9];
    for (let k = 0; k < 5; k++) {
      memory.fill(text, bytes[k], (k + 1) * 100);
      feedPrompt(prompt, text, (k + 1) * 100);
    }
    // 3.125 + 12.5 + 37.5 + 100 + 250 tokens of 1,500 bytes.
    const tokens = countTokens(one(7, [0.03125, 0.0625, 0.125, 0.25, 0.5]), 0, prompt);
    expect(tokens.all).toBe(410);
    expect(Mathf.abs(tokens.piece - (403.125 / 1500) * 512) < 0.001).toBe(
      true,
      `${tokens.piece}: without those of a request`,
    );
    expect(prompt.units).toBe(34, "of four tokens, the nearest");
    closePrompt(prompt);
  });

  test("are those of the model's own tokenizer", () => {
    const view = seven();
    expect(tokensOf(view, 0)).toBe(100);
    expect(tokensOf(view, 3)).toBe(400);
    expect(tokensOf(view, 4)).toBe(500);
    expect(tokensOf(view, 6)).toBe(700);
  });

  test("of an adapter are those of its base model", () => {
    expect(tokensOf(seven(), 5)).toBe(400);
  });

  test("are a quarter of the bytes where nothing is learned", () => {
    const view = seven();
    expect(tokensOf(view, 1)).toBe(200, "a model without a tokenizer, between two models that have one");
    expect(tokensOf(view, 2)).toBe(200, "an adapter without a known base model");
    expect(tokensOf(view, NONE)).toBe(200, "no model of the snapshot");
    const prompt = letters(800);
    const tokens = countTokens(view, 1, prompt);
    expect(tokens.piece).toBe(128);
    expect(prompt.units).toBe(32);
    closePrompt(prompt);
    expect(usualTokens(800)).toBe(200, "a body that was not hashed");
    expect(usualTokens(0xffffffff)).toBe(1 << 30);
  });
});

describe("units of a piece", () => {
  test("are 1 to 127, the nearest number", () => {
    const prompt = letters(1024);
    // Tokens of a byte, then the units of 512 bytes.
    const rates: f32[] = [0, 0.001, 0.0125, 0.25, 0.99, 1, 16];
    const units: u32[] = [1, 1, 2, 32, 127, 127, 127];
    for (let i = 0; i < rates.length; i++) {
      countTokens(one(0, all(rates[i])), 0, prompt);
      expect(prompt.units).toBe(units[i], `${rates[i]} tokens a byte`);
    }
    closePrompt(prompt);
  });
});

describe("extreme prompts", () => {
  test("a prompt without a byte has the tokens of a request, and pieces of the usual size", () => {
    const prompt = openPrompt()!;
    const tokens = countTokens(one(65536, all(16)), 0, prompt);
    expect(tokens.all).toBe(65536);
    expect(tokens.piece).toBe(128);
    expect(prompt.units).toBe(32);
    closePrompt(prompt);
  });

  test("the largest prompt with the largest tokenizer has 2^24 tokens, which f32 still counts exactly", () => {
    const prompt = openPrompt()!;
    prompt.bytes = 0xffffffff;
    prompt.high = 0xffffffff;
    const tokens = countTokens(one(65536, all(16)), 0, prompt);
    expect(tokens.all).toBe(1 << 24);
    expect(tokens.piece).toBe(8192);
    expect(prompt.units).toBe(127);
    expect(countTokens(one(0, USUAL), 0, prompt).all).toBe(1 << 24);
    closePrompt(prompt);
  });
});
