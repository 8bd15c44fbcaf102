// When a collector sends readings and to whom, and what a sidecar makes of those that it gets. Timers and clock are the test's.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { encodeReadingsPush, type ReadingsAnswer } from "../../../protocol/readings/readings-codec.ts";
import { READINGS_HEADER_BYTES } from "../../../protocol/readings/readings-constants.ts";
import { createLog } from "../../../sidecar/log.ts";
import type { EnvoyConnection } from "../../../sidecar/push/envoy-connection.ts";
import { ReadingsExchange } from "../../../sidecar/push/readings-exchange.ts";
import { decodeReadings, encodeReadings, type SharedReading } from "../../../sidecar/scrape/shared/shared-readings.ts";

const ID = 5;
const OTHER = 9;
const PRINTS = { vllm: "print" };
/** Taken before a test replaces the timers. */
const nextTurn = setTimeout;

function shared(address: string, more: Partial<SharedReading> = {}): SharedReading {
  const nothing = { waiting: null, running: null, kvUsage: null, kvBlocks: null, blockTokens: null };
  const reading = { engine: "vllm", ...nothing, offloadGiB: null, cacheBytes: null, asleep: false, counters: {} };
  const whole = { ...reading, adapters: null, samples: 0, malformed: 0 };
  return { address, age: 1, oldest: 1, next: 200, seconds: 0.01, reading: whole, ...more };
}

interface Scene {
  exchange: ReadingsExchange;
  /** What this sidecar has read, each with the time of the scrape. */
  own: Array<{ at: number; reading: SharedReading }>;
  /** The pushes to each Envoy. */
  pushes: Array<{ to: string; body: Uint8Array; at: number }>;
  received: Array<{ source: number; readings: readonly SharedReading[]; madeAt: number }>;
  counted: Record<string, number>;
  status: number;
  now(): number;
  pass(ms: number): Promise<void>;
}

function scene(t: TestContext, envoys = ["one", "two"]): Scene {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 1000;
  const connection = (origin: string): EnvoyConnection => ({
    origin,
    secret: "",
    push: async (body) => {
      all.pushes.push({ to: origin, body, at: now });
      return { status: all.status, body: Buffer.alloc(0) };
    },
    report: () => Promise.reject(new Error("not asked")),
    close: async () => {},
  });
  const collected = envoys.map(connection);
  const exchange = new ReadingsExchange({
    id: ID,
    pods: {
      prints: PRINTS,
      share: (since) => all.own.filter(({ at }) => at > since).map(({ reading }) => reading),
      receive(source, readings, _prints, madeAt) {
        all.received.push({ source, readings, madeAt });
        return readings.length;
      },
      takeOver() {},
    },
    clock: { now: () => now, epochMicros: () => 0n },
    log: createLog("silent"),
    collected: () => collected,
    spacingMs: () => 10,
    counted: (event, count) => {
      all.counted[event] = (all.counted[event] ?? 0) + count;
    },
  });
  t.after(() => exchange.close());
  const all: Scene = {
    exchange,
    own: [],
    pushes: [],
    received: [],
    counted: {},
    status: 200,
    now: () => now,
    async pass(ms) {
      for (let i = 0; i < ms; i++) {
        now++;
        t.mock.timers.tick(1);
        // The compression runs in a thread of its own.
        await new Promise((resolve) => nextTurn(resolve, i % 10 === 9 ? 5 : 0));
      }
    },
  };
  return all;
}

const answer = (more: Partial<ReadingsAnswer> = {}): ReadingsAnswer => {
  const nothing = { number: 0n, collector: 0, delayMs: 0, heldMs: 0, listened: true };
  return { ...nothing, payload: new Uint8Array(0), ...more };
};

/** The addresses of the readings in a push. */
async function addressesIn({ body }: { body: Uint8Array }): Promise<string[]> {
  return (await decodeReadings(body.subarray(READINGS_HEADER_BYTES))).readings.map(({ address }) => address);
}

function scrape({ own, now, exchange }: Scene, address: string, more?: Partial<SharedReading>): void {
  own.push({ at: now(), reading: shared(address, more) });
  exchange.scraped();
}

test("nothing is sent while no other sidecar wants readings, and only to Envoys where one does", async (t) => {
  const all = scene(t);
  scrape(all, "a");
  await all.pass(100);
  assert.equal(all.pushes.length, 0);
  await all.exchange.received("two", answer(), 1);
  await all.pass(50);
  assert.deepEqual(
    all.pushes.map(({ to }) => to),
    ["two"],
  );
  await all.exchange.received("two", answer({ listened: false }), 1);
  scrape(all, "a");
  await all.pass(200);
  assert.equal(all.pushes.length, 1);
});

test("readings are sent together, a quarter of an interval apart, and nothing without a new one", async (t) => {
  const all = scene(t, ["one"]);
  await all.exchange.received("one", answer(), 1);
  for (let i = 0; i < 30; i++) {
    scrape(all, `pod-${i}`);
    await all.pass(10);
  }
  const gaps = all.pushes.slice(2).map(({ at }, i) => at - (all.pushes[i + 1]?.at ?? 0));
  assert.ok(Math.min(...gaps) >= 45 && Math.max(...gaps) <= 65, gaps.join(" "));
  const { length } = all.pushes;
  await all.pass(1000);
  assert.ok(all.pushes.length <= length + 1);
});

test("each reading is in two pushes, so that a sidecar may miss one", async (t) => {
  const all = scene(t, ["one"]);
  await all.exchange.received("one", answer(), 1);
  for (const name of ["a", "b", "c", "d"]) {
    scrape(all, name);
    await all.pass(120);
  }
  const sent = await Promise.all(all.pushes.map(addressesIn));
  assert.deepEqual(sent, [["a"], ["a", "b"], ["b", "c"], ["c", "d"]]);
});

test("an Envoy that refuses is left alone for a while, and delays no other", async (t) => {
  const all = scene(t, ["one"]);
  await all.exchange.received("one", answer(), 1);
  all.status = 409;
  for (let i = 0; i < 4; i++) {
    scrape(all, "a");
    await all.pass(60);
  }
  assert.equal(all.pushes.length, 1);
  all.status = 200;
  scrape(all, "a");
  await all.pass(100);
  scrape(all, "a");
  await all.pass(100);
  assert.ok(all.pushes.length > 1);
  assert.ok((all.counted.failed ?? 0) === 1 && (all.counted.sent ?? 0) >= 1);
});

/** A scene in which the Envoy has refused a blob of 3,000 readings for its size. Returns the addresses of the readings, too. */
async function refusedForSize(t: TestContext): Promise<{ all: Scene; many: readonly string[] }> {
  const all = scene(t, ["one"]);
  await all.exchange.received("one", answer(), 1);
  all.status = 413;
  const many = Array.from({ length: 3000 }, (_, i) => `10.0.${i >> 8}.${i & 255}:80`);
  for (const [i, name] of many.entries()) all.own.push({ at: 1001, reading: shared(name, { seconds: i / 7919 }) });
  scrape(all, "first");
  await all.pass(400);
  return { all, many };
}

test("after a refusal for its size a blob is half as large, and the rest of the readings follows", async (t) => {
  const { all, many } = await refusedForSize(t);
  const [largest] = all.pushes;
  all.status = 200;
  const before = all.pushes.length;
  scrape(all, "second");
  await all.pass(3000);
  const later = all.pushes.slice(before);
  assert.ok(later.every(({ body }) => body.length <= Math.max(16_384, (largest?.body.length ?? 0) / 2)));
  const seen = new Set((await Promise.all(later.map(addressesIn))).flat());
  assert.ok(
    many.every((name) => seen.has(name)),
    `${seen.size} of ${many.length}`,
  );
});

test("a minute after a refusal for its size a blob may be as large as before", async (t) => {
  const { all, many } = await refusedForSize(t);
  const largest = all.pushes[0]?.body.length ?? 0;
  all.status = 200;
  await all.pass(61_000);
  all.own.length = 0;
  const before = all.pushes.length;
  await all.exchange.received("one", answer(), 1);
  for (const [i, name] of many.entries()) all.own.push({ at: 61_500, reading: shared(name, { seconds: i / 7919 }) });
  scrape(all, "second");
  await all.pass(300);
  const sizes = all.pushes.slice(before).map(({ body }) => body.length);
  assert.ok(Math.max(...sizes) > 0.9 * largest, `${sizes.join()} after ${largest}`);
});

/** Readings that no blob has room for: random names of adapters. */
function huge(): Partial<SharedReading> {
  const running = Array.from({ length: 1000 }, () => randomBytes(1500).toString("base64"));
  return { reading: { ...shared("").reading, adapters: { max: 1, running, waiting: [] } } };
}

test("a pod with a reading that no blob has room for keeps no other pod's readings back", async (t) => {
  const all = scene(t, ["one"]);
  await all.exchange.received("one", answer(), 1);
  scrape(all, "a", huge());
  scrape(all, "b");
  await all.pass(300);
  const sent = await Promise.all(all.pushes.map(addressesIn));
  assert.ok(sent.flat().includes("b"), JSON.stringify(sent));
  assert.ok(all.pushes.length <= 3, `${all.pushes.length} pushes`);
});

test("where one blob has no room for all readings, each reading is sent in few blobs, and then no more", async (t) => {
  const { all } = await refusedForSize(t);
  all.status = 200;
  scrape(all, "second");
  await all.pass(3000);
  const { length } = all.pushes;
  await all.pass(1000);
  assert.equal(all.pushes.length, length);
});

test("a reading of which no sidecar has use any more is not sent", async (t) => {
  const all = scene(t, ["one"]);
  await all.exchange.received("one", answer(), 1);
  scrape(all, "gone", { age: 700, oldest: 700 });
  scrape(all, "a");
  await all.pass(100);
  const sent = await Promise.all(all.pushes.map(addressesIn));
  assert.deepEqual([...new Set(sent.flat())], ["a"]);
});

test("readings of another sidecar are as old as they were, and as long as they were on the way", async (t) => {
  const all = scene(t, ["one"]);
  const { payload } = await encodeReadings([shared("a"), shared("b")], PRINTS, 1 << 20);
  const readings = answer({ number: 77n, collector: OTHER, delayMs: 12, heldMs: 300, listened: false, payload });
  await all.exchange.received("one", readings, 304);
  assert.deepEqual([all.received[0]?.source, all.received[0]?.madeAt], [OTHER, all.now() - 12 - 4]);
  assert.deepEqual(all.counted, { received: 2 });
  assert.equal(all.exchange.ask("one", { wanted: true, quiet: false }), "77.1");
  all.exchange.forget("one");
  assert.equal(all.exchange.ask("one", { wanted: true, quiet: true }), "0.3");
});

test("own readings, answers without readings, and broken ones change nothing but a counter", async (t) => {
  const all = scene(t, ["one"]);
  const { payload } = await encodeReadings([shared("a")], PRINTS, 1 << 20);
  await all.exchange.received("one", answer({ number: 1n, collector: ID, payload }), 1);
  await all.exchange.received("one", answer({ collector: OTHER }), 1);
  await all.exchange.received("one", undefined, 1);
  assert.deepEqual([all.received, all.counted], [[], {}]);
  await all.exchange.received("one", answer({ number: 2n, collector: OTHER, payload: payload.subarray(9) }), 1);
  assert.deepEqual([all.received, all.counted], [[], { refused: 1 }]);
});

test("a push's header has the time that its payload was on the way", () => {
  const body = encodeReadingsPush(ID, 12.3456, new Uint8Array(3));
  assert.equal(new DataView(body.buffer).getUint32(16, true), 12_346);
  assert.equal(new DataView(encodeReadingsPush(ID, 1e12, new Uint8Array(0)).buffer).getUint32(16, true), 0xffffffff);
});
