// The engine of a pod: steps and their duration, queue, slots, prefix cache, preemption and adapters.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "../../simulator/clock.ts";
import { Engine } from "../../simulator/engine/engine.ts";
import { promptOf } from "../../simulator/engine/prompt.ts";
import type { EngineRequest, Sequence } from "../../simulator/engine/sequence.ts";
import { tokenizerOf } from "../../simulator/engine/tokenizer.ts";
import { defaultParams, type PodParams } from "../../simulator/params.ts";

/** An engine whose steps last 10 ms plus 1 ms per prefilled token, so that times are easy to compute. */
function rig(patch: Partial<PodParams> = {}) {
  const clock = new SimClock();
  const base = { stepBaseMs: 10, prefillTokenMs: 1, sequenceMs: 0, contextTokenMs: 0, blockSize: 4, kvBlocks: 1000 };
  const params: PodParams = { ...defaultParams(), ...base, ...patch };
  const engine = new Engine(params, clock, () => 0.5);
  return { clock, params, engine };
}

/** A prompt that differs from all others by default. Prompts with the same `from` share a prefix. */
function request(tokens: number, outputTokens: number, more: Partial<EngineRequest> & { from?: number } = {}) {
  const { from = Math.floor(Math.random() * 1e9) * 1000, ...rest } = more;
  const hashes = Array.from({ length: Math.floor(tokens / 4) }, (_, i) => from + i);
  return { promptTokens: tokens, hashes, outputTokens, ...rest };
}

function log(engine: Engine, clock: SimClock) {
  const events: string[] = [];
  const listener = {
    token: (s: Sequence) => events.push(`${clock.now()} token ${s.generated}`),
    finished: (s: Sequence, reason: string) => events.push(`${clock.now()} ${reason} ${s.generated}`),
  };
  return { events, submit: (r: EngineRequest) => engine.submit({ ...r, listener }) };
}

test("a request gets its first token after one prefill step and one token per step after that", () => {
  const { engine, clock } = rig();
  const { events, submit } = log(engine, clock);
  submit(request(20, 3));
  clock.drain();
  assert.deepEqual(events, ["30 token 1", "40 token 2", "50 length 3"]);
});

test("the outlook tells what no step has begun to compute, and the rest of the step", () => {
  const { engine, clock } = rig({ tokenBudget: 16 });
  assert.deepEqual(engine.outlook(), { sequences: 0, prefillTokens: 0, stepLeftMs: 0 });
  engine.submit(request(40, 2, { from: 0 }));
  assert.deepEqual(
    engine.outlook(),
    { sequences: 1, prefillTokens: 24, stepLeftMs: 26 },
    "16 of 40 in a step of 26 ms",
  );
  clock.advance(6);
  engine.submit(request(12, 2, { from: 1_000_000 }));
  assert.deepEqual(engine.outlook(), { sequences: 2, prefillTokens: 36, stepLeftMs: 20 });
  engine.submit(request(40, 2, { from: 0 }));
  assert.equal(engine.outlook().prefillTokens, 60, "16 of the waiting request's 40 are cached");
  clock.drain();
  assert.deepEqual(engine.outlook(), { sequences: 0, prefillTokens: 0, stepLeftMs: 0 });
});

test("an idle engine sets no timer, and a busy engine sets one timer", () => {
  const { engine, clock } = rig();
  assert.equal(clock.pending, 0);
  for (let i = 0; i < 50; i++) engine.submit(request(8, 2));
  assert.equal(clock.pending, 1);
  clock.drain();
  assert.equal(clock.pending, 0);
  assert.equal(engine.stats.finished.length, 50);
});

test("requests beyond the slots wait, and start in the order of their arrival", () => {
  const { engine, clock } = rig({ slots: 2 });
  const order: number[] = [];
  for (let i = 0; i < 5; i++) {
    engine.submit({ ...request(4, 2), listener: { token() {}, finished: () => order.push(i) } });
  }
  clock.advance(13);
  assert.equal(engine.runningNow, 1, "the first step began with the only request there was");
  clock.advance(1);
  assert.equal(engine.runningNow, 2);
  assert.equal(engine.waitingNow, 3);
  clock.drain();
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
});

test("metrics change at the end of a step and not earlier", () => {
  const { engine, clock } = rig({ slots: 1 });
  engine.submit(request(4, 5));
  engine.submit(request(4, 5));
  assert.deepEqual([engine.stats.running, engine.stats.waiting], [0, 0]);
  clock.advance(14);
  assert.deepEqual([engine.stats.running, engine.stats.waiting], [1, 1]);
});

test("each sequence and each context token makes a step longer", () => {
  const { engine, clock, params } = rig({ prefillTokenMs: 0, sequenceMs: 1, contextTokenMs: 0.01 });
  engine.submit(request(100, 3));
  clock.advance(11);
  assert.equal(engine.stats.steps, 1);
  clock.advance(11.99);
  assert.equal(engine.stats.steps, 1, "10 + 1 sequence + 100 context tokens are 12 ms");
  clock.advance(0.01);
  assert.equal(engine.stats.steps, 2);
  params.speed = 2;
  clock.drain();
  assert.ok(Math.abs(clock.now() - (11 + 12 + 12.01)) < 1e-9, "a step in progress keeps its pace");
  const wide = rig({ prefillTokenMs: 0, sequenceMs: 1, speed: 2 });
  wide.engine.submit(request(4, 1));
  wide.engine.submit(request(4, 1));
  wide.engine.submit(request(4, 1));
  wide.clock.drain();
  assert.equal(wide.clock.now(), 5.5 + 6);
});

test("a long prompt is prefilled in chunks of the budget while others keep decoding", () => {
  const { engine, clock } = rig({ tokenBudget: 50 });
  const { events, submit } = log(engine, clock);
  submit(request(4, 10));
  clock.advance(14);
  const long = submit(request(120, 1));
  clock.advance(10 + 58);
  assert.equal(long.computed, 0);
  assert.equal(events.length, 2, "the step in which the long prompt came in has not ended");
  clock.drain();
  const ends = events.filter((event) => event.includes("length"));
  // The prompt arrives at 24. Two steps prefill 49 tokens each while the other request decodes, and a third step the last 22.
  assert.equal(ends[0], `${24 + 59 + 59 + 32} length 1`);
  assert.equal(events.filter((event) => event.includes("token")).length, 9);
});

test("a prompt that shares a prefix with an earlier prompt is prefilled from the first different block", () => {
  const { engine, clock } = rig();
  engine.submit(request(40, 1, { from: 1 }));
  clock.drain();
  const start = clock.now();
  const second = engine.submit(request(48, 1, { from: 1 }));
  clock.drain();
  assert.equal(second.cachedTokens, 40);
  assert.equal(clock.now() - start, 10 + 8);
  assert.deepEqual([engine.stats.prefixQueries, engine.stats.prefixHits], [88, 40]);
});

test("the last prompt token is computed even when the whole prompt is cached", () => {
  const { engine, clock } = rig();
  engine.submit(request(40, 1, { from: 1 }));
  clock.drain();
  const again = engine.submit(request(40, 1, { from: 1 }));
  clock.drain();
  assert.equal(again.cachedTokens, 36);
});

test("the least recently used prefix is evicted, its end first", () => {
  const { engine, clock } = rig({ kvBlocks: 12 });
  engine.submit(request(16, 1, { from: 100 }));
  clock.drain();
  engine.submit(request(16, 1, { from: 200 }));
  clock.drain();
  engine.submit(request(24, 1, { from: 300 }));
  clock.drain();
  assert.equal(engine.cache.evictions, 2);
  assert.equal(engine.cache.match([100, 101, 102, 103], 4), 2);
  assert.equal(engine.cache.match([200, 201, 202, 203], 4), 4);
});

test("a full cache preempts the newest request, which starts again and finishes completely", () => {
  const { engine, clock } = rig({ kvBlocks: 10 });
  const first = engine.submit(request(16, 12));
  const second = engine.submit(request(16, 12));
  clock.drain();
  assert.equal(first.preemptions, 0);
  assert.ok(second.preemptions > 0);
  assert.deepEqual([first.generated, second.generated], [12, 12]);
  assert.equal(engine.stats.preemptions, second.preemptions);
  assert.equal(engine.cache.used, 0);
});

test("a preempted request goes to the head of the queue", () => {
  const { engine, clock } = rig({ kvBlocks: 10 });
  engine.submit(request(16, 12));
  const second = engine.submit(request(16, 12));
  const third = engine.submit(request(16, 1));
  while (second.preemptions === 0) clock.advance(1);
  assert.deepEqual([second.state, third.state], ["waiting", "waiting"]);
  while (third.state === "waiting") clock.advance(1);
  assert.notEqual(second.state, "waiting", "the third would have fitted earlier");
});

test("a step that preempted a request admits no request, even if a first chunk would fit", () => {
  const { engine, clock } = rig({ kvBlocks: 10, tokenBudget: 8 });
  engine.submit(request(16, 12, { hashes: [] }));
  const second = engine.submit(request(16, 12, { hashes: [] }));
  while (second.preemptions === 0) clock.advance(1);
  assert.deepEqual([second.state, engine.runningNow], ["waiting", 1]);
});

test("an adapter in use stays resident when another adapter is loaded", () => {
  const { engine, clock } = rig({ maxLoras: 2, loraLoadMs: 100 });
  const long = engine.submit(request(4, 20, { adapter: "a" }));
  clock.advance(120);
  for (const adapter of ["b", "c"]) {
    engine.submit(request(4, 1, { adapter }));
    clock.advance(150);
  }
  assert.equal(long.state, "running");
  const at = clock.now();
  const again = engine.submit(request(4, 1, { adapter: "a" }));
  clock.drain();
  assert.ok(again.lastTokenAt - at < 100, "no third load");
});

test("blocks in use never exceed the cache, whatever requests begin and end", () => {
  const { engine, clock } = rig({ kvBlocks: 40, slots: 8, tokenBudget: 30 });
  const live: Sequence[] = [];
  for (let i = 0; i < 300; i++) {
    live.push(engine.submit(request(1 + ((i * 37) % 60), 1 + (i % 13), { from: (i % 5) * 1000 })));
    if (i % 7 === 0) engine.abort(live[(i * 31) % live.length] as Sequence);
    clock.advance((i * 13) % 40);
    assert.ok(engine.cache.used >= 0 && engine.cache.used <= 40, `used ${engine.cache.used}`);
    assert.ok(engine.runningNow <= 8);
  }
  clock.drain();
  assert.equal(engine.cache.used, 0);
  const { length, abort } = engine.stats.finished;
  assert.equal(length + abort, 300);
});

test("requests for an adapter beyond max_loras wait, while later requests without an adapter overtake them", () => {
  const { engine, clock } = rig({ maxLoras: 1 });
  engine.enableLora();
  const order: string[] = [];
  const submit = (name: string, outputTokens: number, adapter?: string) =>
    engine.submit({
      ...request(4, outputTokens, { adapter }),
      listener: { token() {}, finished: () => order.push(name) },
    });
  submit("a", 6, "a");
  submit("b", 2, "b");
  submit("a again", 3, "a");
  submit("base", 2);
  clock.advance(40);
  assert.equal(engine.stats.deferred, 1);
  assert.equal(engine.stats.waiting, 1);
  clock.drain();
  assert.deepEqual(order, ["base", "a again", "a", "b"]);
  assert.equal(engine.stats.deferred, 0);
});

test("a step that loads an adapter takes the loading time", () => {
  const { engine, clock } = rig({ maxLoras: 1, loraLoadMs: 100 });
  for (const adapter of ["a", "a", "b", "a"]) {
    engine.submit(request(4, 1, { adapter }));
    clock.drain();
  }
  assert.equal(clock.now(), 4 * 14 + 3 * 100);
});

test("an aborted request frees its slot, queue entry and blocks at once, and its listener is not called again", () => {
  const { engine, clock } = rig({ slots: 1 });
  const { events, submit } = log(engine, clock);
  const running = submit(request(16, 50));
  const waiting = submit(request(16, 50));
  clock.advance(30);
  events.length = 0;
  engine.abort(waiting);
  assert.equal(engine.waitingNow, 0);
  engine.abort(running);
  engine.abort(running);
  assert.deepEqual([engine.runningNow, engine.cache.used], [0, 0]);
  clock.drain();
  assert.deepEqual(events, []);
  assert.equal(engine.stats.finished.abort, 2);
  assert.deepEqual([engine.stats.running, engine.stats.waiting, engine.stats.kvUsage], [0, 0, 0]);
});

test("a sleeping engine queues requests and runs them when it wakes", () => {
  const { engine, clock, params } = rig({ asleep: true });
  engine.submit(request(4, 1));
  clock.drain();
  assert.equal(engine.stats.finished.length, 0);
  params.asleep = false;
  engine.paramsChanged();
  clock.drain();
  assert.equal(engine.stats.finished.length, 1);
});

test("the metrics of an engine without steps show an abort", () => {
  const { engine, clock, params } = rig();
  const running = engine.submit(request(4, 100));
  clock.advance(20);
  params.asleep = true;
  clock.drain();
  assert.equal(engine.stats.running, 1);
  engine.abort(running);
  assert.equal(engine.stats.running, 0);
});

test("a request that never fits into a shrunk cache ends with an error instead of blocking the queue", () => {
  const { engine, clock, params } = rig({ slots: 1 });
  const reasons: string[] = [];
  const listener = { token() {}, finished: (_: Sequence, reason: string) => reasons.push(reason) };
  engine.submit({ ...request(40, 2), listener });
  engine.submit({ ...request(40, 2), listener });
  engine.submit({ ...request(8, 2), listener });
  clock.advance(40);
  params.kvBlocks = 4;
  engine.paramsChanged();
  clock.drain();
  assert.deepEqual(reasons.sort(), ["error", "error", "length"]);
});

test("a closed engine leaves no timer", () => {
  const { engine, clock } = rig();
  engine.submit(request(4, 100));
  engine.close();
  assert.equal(clock.pending, 0);
});

test("hashes differ from the first different block on, and in all blocks for different adapters", () => {
  const text = "x".repeat(16 * 4 * 3);
  const one = promptOf(text, 16, "", tokenizerOf("bytes", 4));
  const other = promptOf(`${text.slice(0, 100)}y${text.slice(101)}`, 16, "", tokenizerOf("bytes", 4));
  assert.equal(one.tokens, 48);
  assert.equal(one.hashes.length, 3);
  assert.equal(one.hashes[0], other.hashes[0]);
  assert.notEqual(one.hashes[1], other.hashes[1]);
  assert.notEqual(one.hashes[2], other.hashes[2]);
  assert.notEqual(promptOf(text, 16, "adapter", tokenizerOf("bytes", 4)).hashes[0], one.hashes[0]);
  assert.equal(new Set(one.hashes).size, 3, "equal blocks in different places have different hashes");
});
