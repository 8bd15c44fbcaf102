// Picks after a snapshot that tells what a sidecar learned: rates and steps of endpoints, and tokenizers of models.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { EndpointView, SnapshotView } from "../../../protocol/snapshot.ts";
import {
  A,
  adapter,
  B,
  base,
  C,
  complete,
  endpoint,
  Gateway,
  JSON_TYPE,
  routed,
} from "../../../testkit/filter/gateway.ts";

const DEBUG = "a-debug-secret-of-20";
/** Tokens a byte of the five byte classes, and tokens of a request. */
const TOKENIZER = { model: "m", tokensPerRequest: 20, tokensPerByte: [0.5, 1, 1.5, 0.75, 2] };

function gateway(endpoints: EndpointView[], view: Partial<SnapshotView> = {}): Gateway {
  const all = endpoints.map(({ address }) => address);
  const g = new Gateway({ configuration: { pick: { debugSecret: DEBUG }, snapshot: { staleAfter: "3600s" } } });
  g.feed({ endpoints, models: [base("m", all), adapter("z", "m", all)], tokenizers: [TOKENIZER], ...view });
  return g;
}

const messages = (content: string) => [{ role: "user", content }];

/** Sends a streamed request. With the debug secret the request asks for its explanation. */
function send(g: Gateway, content: string, model = "m", secret = DEBUG) {
  const body = JSON.stringify({ model, stream: true, messages: messages(content) });
  const headers = { ...JSON_TYPE, "x-pilotfish-debug": secret };
  const stream = g.send({ method: "POST", path: "/v1/chat/completions", headers, body });
  return { stream, picked: routed(stream.outcome).destination?.split(",") ?? [] };
}

interface Term {
  [name: string]: number;
}

/** Ends a request. Returns the terms of its explanation by the candidates' addresses. */
function explained({ stream, picked }: ReturnType<typeof send>): Record<string, Term> {
  const { headers } = stream.respond({ status: 200, body: "{}", upstreamAddress: picked[0] as string });
  stream.finish();
  const [, ...candidates] = (headers?.get("x-pilotfish-explain") ?? "").split("; ");
  return Object.fromEntries(
    candidates.map((text) => {
      const words = text.split(" ");
      const pairs = words.filter((word) => word.includes("="));
      const values = pairs.map((pair) => [pair.split("=")[0], Number(pair.split("=")[1])]);
      return [words.find((word) => /:\d+$/.test(word)), Object.fromEntries(values)];
    }),
  );
}

/** Tokens of a prompt by the formula of protocol/README.md. */
function tokensOf(content: string): number {
  const bytes = Buffer.from(JSON.stringify(messages(content)));
  let tokens = TOKENIZER.tokensPerRequest;
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    const kind = byte >= 128 ? 4 : /[a-z]/.test(char) ? 0 : /[A-Z]/.test(char) ? 1 : /\d/.test(char) ? 2 : 3;
    tokens += TOKENIZER.tokensPerByte[kind] as number;
  }
  return Math.floor(tokens);
}

/** Asserts a number that the explanation cuts to a whole number. */
function about(actual: number | undefined, expected: number, what: string): void {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= 1 + expected / 1000,
    `${what}: ${actual}, ${expected}`,
  );
}

describe("a snapshot with learned costs", () => {
  const slow = endpoint(A, { prefillRate: 3000, stepSeconds: 0.05 });
  const fast = endpoint(B, { prefillRate: 30_000, stepSeconds: 0.004 });
  const usual = endpoint(C);
  const text = "Prompt No 4711: wie heißt der Fluß durch Köln? ";

  test("prefers the faster endpoint, and the explanation has the formula's numbers", () => {
    const g = gateway([slow, fast, usual]);
    const u = tokensOf(text);
    assert.notEqual(u, Math.floor(JSON.stringify(messages(text)).length / 4), "not the usual estimate");
    const first = send(g, text);
    assert.deepEqual(first.picked, [B, C, A]);
    // The first request waits for its first byte while the second is picked. No time passes.
    const second = send(g, text);
    assert.deepEqual(second.picked, [C, B, A]);
    const mean = (3000 + 30_000 + 20_000) / 3;
    const idle = explained(first);
    for (const [address, rate] of [
      [A, 3000],
      [B, 30_000],
      [C, 20_000],
    ] as const) {
      const terms = idle[address] as Term;
      about(terms.u, u, "uncached tokens");
      about((terms.s as number) * 10_000, (mean / rate) * 10_000, "speed");
      about(terms.cost, (mean / rate) * 0.4 * u, "cost of an idle endpoint");
    }
    const busy = explained(second);
    const d = 0.2 * 30_000 * 0.004;
    about(busy[B]?.q, u, "waiting tokens");
    assert.equal(busy[B]?.n, 1);
    about(busy[B]?.cost, (mean / 30_000) * (u + d * (1 + 1 / 64) + 0.4 * u), "cost of an endpoint with a request");
    about(busy[A]?.cost, (mean / 3000) * 0.4 * u, "no costs of another endpoint");
    g.assertHealthy();
  });

  test("estimates an adapter's prompts with the tokenizer of the base model, and no longer once the tokenizer is gone", () => {
    const endpoints = [slow, fast, usual];
    const g = gateway(endpoints);
    about(explained(send(g, text, "z"))[A]?.u, tokensOf(text), "the base model's");
    const all = [A, B, C];
    g.feed({ endpoints, models: [base("m", all), adapter("z", "m", all)] });
    const usualTokens = Buffer.byteLength(JSON.stringify(messages(text))) / 4;
    about(explained(send(g, text, "z"))[A]?.u, usualTokens, "a token for every four bytes");
  });
});

describe("an overloaded pool", () => {
  test("gives an evicted prompt back to the endpoint that had it, and explains the price of the others", () => {
    const endpoints = [A, B, C].map((at) => endpoint(at, { kvBlocks: 400, blockTokens: 16 }));
    const g = gateway(endpoints);
    const prompt = (name: string) => name.repeat(600);
    const first = send(g, prompt("own"));
    const owner = first.picked[0] as string;
    const others = [A, B, C].filter((at) => at !== owner);
    assert.ok(
      Object.values(explained(first)).every((terms) => terms.o === undefined),
      "nothing waits yet",
    );
    // A cache has room for 6,400 tokens. Each of these prompts has some 2,000, and each endpoint gets twelve.
    const open = Array.from({ length: 36 }, (_, i) => send(g, prompt(`${i + 10}n`), "m", ""));
    const again = send(g, prompt("own"));
    assert.equal(again.picked[0], owner);
    const terms = explained(again);
    about(terms[owner]?.u, tokensOf(prompt("own")), "evicted");
    assert.equal(terms[owner]?.o, undefined);
    for (const at of others) assert.ok((terms[at]?.o as number) > 1000, `${at}: ${terms[at]?.o}`);
    for (const { stream, picked } of open) complete(stream, picked[0] as string);
    const later = explained(send(g, prompt("own")));
    assert.ok(
      Object.values(later).every(({ o }) => o === undefined),
      "nothing waits any more",
    );
    g.assertHealthy();
  });
});
