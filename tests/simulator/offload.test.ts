// The second level of the KV cache.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "../../simulator/clock.ts";
import { Engine } from "../../simulator/engine/engine.ts";
import type { Sequence } from "../../simulator/engine/sequence.ts";
import { defaultParams, type PodParams } from "../../simulator/params.ts";

const BLOCK = 16;

function start(params: Partial<PodParams>) {
  const clock = new SimClock();
  const all = { ...defaultParams(), blockSize: BLOCK, ...params };
  const engine = new Engine(all, clock, () => 0.5);
  /** Sends a prompt of `blocks` blocks and some more tokens, whose blocks belong to `customer`. */
  const send = (customer: number, blocks: number): Sequence =>
    engine.submit({
      promptTokens: blocks * BLOCK + 5,
      hashes: Array.from({ length: blocks }, (_, i) => customer * 1000 + i),
      outputTokens: 2,
    });
  return { clock, engine, send };
}

test("blocks that the first level evicted come back from the second level", () => {
  const { clock, engine, send } = start({ kvBlocks: 25, offloadBlocks: 100 });
  for (const customer of [1, 2, 3]) {
    send(customer, 20);
    clock.drain();
  }
  const again = send(1, 20);
  clock.drain();
  assert.equal(again.state, "done");
  assert.equal(again.cachedTokens, 20 * BLOCK);
  assert.equal(again.outsideTokens, 20 * BLOCK);
  const { stats } = engine;
  const prompt = 20 * BLOCK + 5;
  assert.equal(stats.prefixQueries, 4 * prompt);
  assert.equal(stats.prefixHits, 0, "the first level had none of these blocks");
  assert.equal(stats.outsideQueries, 4 * prompt, "what the first level lacks is looked up in the second");
  assert.equal(stats.outsideHits, 20 * BLOCK);
  assert.equal(stats.histograms.request_prefill_kv_computed_tokens.sum, 3 * prompt + 5);
});

test("without a second level the prompt is computed again, and nothing is counted for one", () => {
  const { clock, engine, send } = start({ kvBlocks: 25 });
  for (const customer of [1, 2, 3, 1]) {
    send(customer, 20);
    clock.drain();
  }
  assert.equal(engine.stats.outsideQueries, 0);
  assert.equal(engine.stats.cachedTokens, 0);
});

test("a full second level forgets the chain that was used least recently, from its end", () => {
  const { clock, send } = start({ kvBlocks: 25, offloadBlocks: 50 });
  for (const customer of [1, 2, 1, 3]) {
    send(customer, 20);
    clock.drain();
  }
  const forgotten = send(2, 20);
  clock.drain();
  assert.equal(
    forgotten.cachedTokens,
    10 * BLOCK,
    "50 blocks hold customers 3 and 1, and the first 10 blocks of customer 2",
  );
});

test("a copy takes its time per token, other requests go on, and the request counts as waiting", () => {
  const { clock, engine, send } = start({ kvBlocks: 45, offloadBlocks: 100, offloadTokenMs: 1, contextTokenMs: 0 });
  for (const customer of [1, 2, 3]) {
    send(customer, 20);
    clock.drain();
  }
  const from = clock.now();
  const copied = send(1, 20);
  clock.advance(20);
  assert.equal(copied.state, "loading");
  assert.equal(engine.stats.waiting, 1);
  assert.equal(engine.stats.deferred, 1);
  const other = send(3, 20);
  clock.advance(100);
  assert.equal(other.state, "done");
  clock.drain();
  const ms = copied.firstTokenAt - from;
  assert.ok(copied.outsideTokens > 200);
  assert.ok(
    ms > copied.outsideTokens && ms < copied.outsideTokens + 50,
    `${copied.outsideTokens} tokens took ${ms} ms`,
  );
  assert.equal(engine.stats.waiting, 0);
});

test("a request that is aborted while its blocks are copied leaves nothing behind", () => {
  const { clock, engine, send } = start({ kvBlocks: 25, offloadBlocks: 100, offloadTokenMs: 1 });
  for (const customer of [1, 2]) {
    send(customer, 20);
    clock.drain();
  }
  const copied = send(1, 20);
  clock.advance(50);
  assert.equal(copied.state, "loading");
  engine.abort(copied);
  assert.equal(engine.cache.used, 0);
  clock.drain();
  assert.equal(copied.state, "done");
  assert.equal(engine.waitingNow, 0);
});

test("copies that fill the whole cache never lock the engine", () => {
  const { clock, engine, send } = start({ kvBlocks: 42, offloadBlocks: 1000, offloadTokenMs: 0.1 });
  const sent: Sequence[] = [];
  for (let round = 0; round < 3; round++) {
    for (let customer = 1; customer <= 8; customer++) sent.push(send(customer, 20));
    clock.drain();
  }
  assert.ok(sent.every(({ state }) => state === "done"));
  assert.equal(engine.cache.used, 0);
  assert.equal(engine.stats.finished.length, 24, "none is refused");
});
