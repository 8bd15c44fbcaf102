// How many tokens a prompt has, learned from sums that do not fit each other exactly (testkit/learn/token-world.ts).
import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenizerFit } from "../../../sidecar/learn/tokenizer-fit.ts";
import { learnTokens, shareOfTruth, type TokenWorld } from "../../../testkit/learn/token-world.ts";

const flat = (bytesPerToken: number): number[] => new Array<number>(5).fill(1 / bytesPerToken);
const PROSE: Omit<TokenWorld, "perByte"> = { perRequest: 12, texts: ["prose"], rate: 12 };
/** Tokens a byte of a tokenizer whose classes differ. */
const UNEVEN = [0.19, 0.3, 0.5, 0.4, 0.3];

function near(world: TokenWorld, share: number, seconds = 60): void {
  const learned = learnTokens(world, seconds);
  for (const text of world.texts) {
    const of = shareOfTruth(learned, world, text);
    assert.ok(Math.abs(Math.log(of)) <= share, `${text}: ${of} times the true tokens`);
  }
}

for (const bytes of [1.5, 2, 3, 4, 5, 6, 9])
  test(`${bytes} bytes a token are known to 5 % after 60 s`, () => near({ ...PROSE, perByte: flat(bytes) }, 0.05));

for (const jitterMs of [300, 1000])
  test(`servers and Envoys that are read up to ${jitterMs} ms apart are known to 10 %`, () =>
    near({ ...PROSE, perByte: flat(2), jitterMs }, 0.1));

for (const [foreign, share] of [
  [0.2, 0.1],
  [0.5, 0.25],
] as const)
  test(`with ${100 * foreign} % requests of others the tokens are known to ${100 * share} %`, () => {
    for (const seed of [1, 2, 3]) near({ ...PROSE, perByte: flat(2), foreign, seed }, share);
  });

test("two sidecars of which each sees half of the requests learn the same tokenizer", () => {
  const world = { ...PROSE, rate: 30, perByte: flat(6), foreign: 0.5 };
  for (const seed of [4, 5]) near({ ...world, seed }, 0.2, 90);
});

test("a mix of texts is learned by class, each text to 20 %", () => {
  near({ perRequest: 12, perByte: UNEVEN, texts: ["prose", "code", "foreign", "base64"], rate: 12 }, 0.2);
});

test("pauses between requests do no harm", () => near({ ...PROSE, perByte: flat(2), pauses: true }, 0.05));

test("a server that starts anew does no harm", () => near({ ...PROSE, perByte: flat(2), restartsAt: 30 }, 0.05));

test("from responses with usage the tokens are known to 2 %, without a counter of the server", () => {
  near({ ...PROSE, perByte: flat(9), usage: true }, 0.02);
});

test("a load of a request every 2 s is enough after some minutes", () => {
  near({ ...PROSE, perByte: flat(2), rate: 0.5 }, 0.1, 240);
});

test("values stay within their bounds, whatever the sums say", () => {
  const window = { requests: 10, bytes: [10_000, 0, 500, 2000, 0], foreign: 0, straddling: 0 };
  for (const tokens of [0, 1e12, Number.NaN, Number.POSITIVE_INFINITY, -5]) {
    const fit = new TokenizerFit();
    for (let i = 0; i < 50; i++) fit.add({ ...window, tokens });
    const learned = fit.tokenizer;
    if (learned === undefined) continue;
    assert.ok(learned.tokensPerRequest >= 0 && learned.tokensPerRequest <= 2000, `${learned.tokensPerRequest}`);
    for (const value of learned.tokensPerByte) assert.ok(value >= 1 / 16 && value <= 2, `${value}`);
  }
});

test("one window that does not fit the others hardly changes what is learned", () => {
  const fit = new TokenizerFit();
  const add = (times: number) => {
    const bytes = [7000 + 100 * fit.windows, 500, 200, 2000, 0];
    const tokens = bytes.reduce((sum, count) => sum + count, 0) / 4;
    fit.add({ tokens: times * tokens, requests: 10, bytes, foreign: 0, straddling: 1 });
  };
  for (let i = 0; i < 30; i++) add(1);
  const before = fit.tokenizer?.tokensPerByte[0] as number;
  add(20);
  const after = fit.tokenizer?.tokensPerByte[0] as number;
  assert.ok(Math.abs(Math.log(after / before)) < 0.1, `${before}, then ${after}`);
});
