// A world in which a sidecar learns a tokenizer: a server that counts tokens, Envoys that count bytes, and requests of others that
// only the server counts. Texts and their tokens vary at random, and the server and the Envoys are read at different moments.
import type { ModelSums } from "../../protocol/model-sums.ts";
import type { Reading } from "../../sidecar/engines/reading.ts";
import { Learner } from "../../sidecar/learn/learner.ts";
import type { Tokenizer } from "../../sidecar/learn/tokenizer-fit.ts";
import { createLog } from "../../sidecar/log.ts";
import { Random } from "../random.ts";

/** Shares of the byte classes in a text of each kind. */
const TEXTS = {
  prose: [0.75, 0.05, 0.02, 0.18, 0],
  code: [0.5, 0.15, 0.1, 0.25, 0],
  foreign: [0.05, 0.01, 0.03, 0.06, 0.85],
  base64: [0.45, 0.25, 0.25, 0.05, 0],
} as const;
type TextName = keyof typeof TEXTS;

export interface TokenWorld {
  /** The truth: tokens a byte by class, and tokens a request. */
  perByte: readonly number[];
  perRequest: number;
  texts: readonly TextName[];
  /** Requests a second, and the share of those that do not come from our Envoys. */
  rate: number;
  foreign?: number;
  /** The server and the Envoys are read every 100 ms plus up to this. */
  jitterMs?: number;
  /** Requests come only in the first half of each 20 s. */
  pauses?: boolean;
  /** The server starts anew at this second. */
  restartsAt?: number;
  /** Whether responses have `usage`; then the server counts nothing. */
  usage?: boolean;
  seed?: number;
}

const END_OF_TEXT = 60_000;
const MODEL = "m";
const HASH = 77n;

/** Runs the world for `seconds` and returns what is learned. */
export function learnTokens(world: TokenWorld, seconds: number): Tokenizer | undefined {
  const random = new Random(world.seed ?? 1);
  const learner = new Learner({ hashOf: () => HASH, log: createLog("silent") });
  const events: { at: number; run: () => void }[] = [];
  const server = { tokens: 0, requests: 0, startedAt: 1 };
  let own: ModelSums = { ...NO_SUMS };
  const end = seconds * 1000;
  for (let at = random.exponential(1000 / world.rate); at < end; at += random.exponential(1000 / world.rate)) {
    if (world.pauses && at % 20_000 > 10_000) continue;
    const shares = TEXTS[world.texts[random.below(world.texts.length)] as TextName];
    const size = Math.min(END_OF_TEXT, 300 + random.exponential(4000));
    const bytes = shares.map((share) => Math.round(share * size * (0.9 + 0.2 * random.fraction())));
    const true_ = bytes.reduce((sum, count, i) => sum + count * (world.perByte[i] as number), world.perRequest);
    const tokens = Math.round(true_ * (0.95 + 0.1 * random.fraction()));
    const isForeign = random.fraction() < (world.foreign ?? 0);
    events.push({
      at,
      run: () => {
        server.tokens += tokens;
        server.requests++;
      },
    });
    if (isForeign) continue;
    events.push({
      at: at + 1 + 3 * random.fraction(),
      run: () => {
        own = { ...own, requests: own.requests + 1, bytes: sum(own.bytes, bytes) };
        if (world.usage)
          own = {
            ...own,
            usageRequests: own.usageRequests + 1,
            usageTokens: own.usageTokens + tokens,
            usageBytes: sum(own.usageBytes, bytes),
          };
      },
    });
  }
  if (world.restartsAt !== undefined)
    events.push({
      at: world.restartsAt * 1000,
      run: () => Object.assign(server, { tokens: 0, requests: 0, startedAt: 2 }),
    });
  const each = (first: number, run: (at: number) => void) => {
    for (let at = first; at < end; at += 100 + (world.jitterMs ?? 0) * random.fraction())
      events.push({ at, run: () => run(at) });
  };
  each(50, (at) =>
    learner.scraped(
      { address: "a", models: [MODEL], pools: [] },
      readingOf(
        world.usage
          ? {}
          : {
              promptTokens: server.tokens,
              promptRequests: server.requests,
              startedAt: server.startedAt,
            },
      ),
      at,
    ),
  );
  each(80, (at) => {
    learner.reported("envoy", new Map([[HASH, own]]), at);
    learner.tokenizerOf(MODEL, {}, at);
  });
  events.sort((a, b) => a.at - b.at);
  for (const { run } of events) run();
  return learner.tokenizerOf(MODEL, {}, end);
}

/** Returns the learned tokens of a text of 4,000 bytes, as a share of the true tokens. */
export function shareOfTruth(
  learned: Tokenizer | undefined,
  { perByte, perRequest }: TokenWorld,
  text: TextName,
): number {
  const bytes = TEXTS[text].map((share) => share * 4000);
  const of = (request: number, rates: readonly number[]) =>
    bytes.reduce((total, count, i) => total + count * (rates[i] as number), request);
  return learned === undefined ? 0 : of(learned.tokensPerRequest, learned.tokensPerByte) / of(perRequest, perByte);
}

export const NO_SUMS: ModelSums = {
  requests: 0,
  cachedTokens: 0,
  bytes: [0, 0, 0, 0, 0],
  usageRequests: 0,
  usageTokens: 0,
  usageBytes: [0, 0, 0, 0, 0],
  fit: [0, 0, 0, 0, 0],
};

function sum(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value + (b[i] ?? 0));
}

/** A scrape of an idle server that has these counters. */
export function readingOf(counters: Reading["counters"]): Reading {
  const unknown = {
    waiting: 0,
    running: 0,
    kvUsage: 0,
    kvBlocks: 100,
    blockTokens: 16,
    offloadGiB: null,
    cacheBytes: null,
  };
  return { engine: "vllm", ...unknown, asleep: false, counters, adapters: null, samples: 1, malformed: 0 };
}
