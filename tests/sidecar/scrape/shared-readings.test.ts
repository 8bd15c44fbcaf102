// Readings that sidecars send each other: what is encoded is decoded, and a hostile or broken payload costs its source alone.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { ENGINES, engineTable } from "../../../sidecar/engines/index.ts";
import {
  decodeReadings,
  encodeReadings,
  enginePrints,
  type SharedReading,
} from "../../../sidecar/scrape/shared/shared-readings.ts";

const PRINTS = enginePrints(ENGINES);

function shared(address = "10.0.0.1:8000", more: Partial<SharedReading> = {}): SharedReading {
  const reading: SharedReading["reading"] = {
    engine: "vllm",
    waiting: 3,
    running: 7,
    kvUsage: 0.25,
    asleep: false,
    kvBlocks: 31_250,
    blockTokens: 16,
    offloadGiB: null,
    cacheBytes: 6e10,
    counters: { promptTokens: 12_345, startedAt: 1_796_000_000.25 },
    adapters: { max: 4, running: ["a"], waiting: ["b,c"] },
    samples: 40,
    malformed: 0,
  };
  return { address, age: 12, oldest: 12, next: 250, seconds: 0.004, reading, ...more };
}

const packed = (json: unknown) => gzipSync(typeof json === "string" ? json : JSON.stringify(json));
const withRow = (row: unknown) => packed({ v: 1, engines: PRINTS, pods: [shared(), row] });

test("readings survive encoding and decoding, with the prints of their engines", async () => {
  const readings = [shared(), shared("[::1]:80", { oldest: 900 })];
  const { payload, count } = await encodeReadings(readings, PRINTS, 1 << 20);
  assert.equal(count, 2);
  const decoded = await decodeReadings(payload);
  assert.deepEqual(decoded, { prints: { vllm: PRINTS.vllm }, readings, refused: 0 });
});

test("ages are rounded up, and stay equal if they were", async () => {
  const { payload } = await encodeReadings([shared("a", { age: 1.23456, oldest: 1.23456 })], PRINTS, 1 << 20);
  const [row] = (await decodeReadings(payload)).readings;
  assert.deepEqual([row?.age, row?.oldest], [1.24, 1.24]);
});

test("as many readings as there is room for are encoded", async () => {
  const readings = Array.from({ length: 3000 }, (_, i) =>
    shared(`10.0.${i >> 8}.${i & 255}:8000`, { age: i, oldest: i, seconds: i / 7919 }),
  );
  const { payload, count } = await encodeReadings(readings, PRINTS, 16_384);
  assert.ok(payload.length <= 16_384 && count > 100 && count < 3000, `${count} in ${payload.length} bytes`);
  assert.equal((await decodeReadings(payload)).readings.length, count);
});

test("a long wait of a slow pace is shortened to the longest that counts", async () => {
  const { payload } = await encodeReadings([shared("a", { next: 600_000 })], PRINTS, 1 << 20);
  const { readings, refused } = await decodeReadings(payload);
  assert.deepEqual([readings[0]?.next, refused], [60_000, 0]);
});

test("an engine's print changes with its table", () => {
  const [vllm] = ENGINES.values();
  assert.ok(vllm);
  const other = enginePrints(engineTable([{ ...vllm, health: "/elsewhere" }]));
  assert.notEqual(other.vllm, PRINTS.vllm);
  assert.equal(other.sglang, PRINTS.sglang);
});

describe("a wrong row costs that row only", () => {
  const { reading } = shared();
  const rows: Record<string, unknown> = {
    "no object": 7,
    null: null,
    "no address": { ...shared(), address: undefined },
    "a long address": shared("x".repeat(55)),
    "a negative age": shared("b", { age: -1 }),
    "a great age": shared("b", { age: 1e6, oldest: 1e6 }),
    "an oldest signal younger than the scrape": shared("b", { oldest: 1 }),
    "a text as time": { ...shared(), next: "1" },
    "a great interval": shared("b", { next: 1e9 }),
    "a slow answer": shared("b", { seconds: 61 }),
    "no reading": { ...shared(), reading: null },
    "no engine": shared("b", { reading: { ...reading, engine: null } }),
    "a negative count": shared("b", { reading: { ...reading, waiting: -1 } }),
    "a great count": shared("b", { reading: { ...reading, running: 1e300 } }),
    "a text as count": { ...shared(), reading: { ...reading, running: "7" } },
    "a number as truth": { ...shared(), reading: { ...reading, asleep: 0 } },
    "a wrong counter": { ...shared(), reading: { ...reading, counters: { steps: "x" } } },
    "counters in a list": { ...shared(), reading: { ...reading, counters: [] } },
    "adapters without names": { ...shared(), reading: { ...reading, adapters: { max: 1, running: [1], waiting: [] } } },
    "many adapters": {
      ...shared(),
      reading: { ...reading, adapters: { max: 1, running: Array(1025).fill("a"), waiting: [] } },
    },
  };
  for (const [name, row] of Object.entries(rows)) {
    test(name, async () => {
      const { readings, refused } = await decodeReadings(withRow(row));
      assert.deepEqual([readings.length, refused], [1, 1]);
      assert.deepEqual(readings[0], shared());
    });
  }

  test("numbers of JSON that are read as infinite", async () => {
    const text = JSON.stringify({ v: 1, engines: PRINTS, pods: [shared()] }).replace('"waiting":3', '"waiting":1e999');
    const { readings, refused } = await decodeReadings(packed(text));
    assert.deepEqual([readings, refused], [[], 1]);
  });
});

test("a member of a later release is ignored, and what an older release lacks is unknown", async () => {
  const { reading } = shared();
  const { kvBlocks: _kvBlocks, cacheBytes: _cacheBytes, ...older } = reading;
  const row = { ...shared(), later: 1, reading: { ...older, later: { a: 1 }, counters: { later: 5, steps: 1 } } };
  const { readings } = await decodeReadings(packed({ v: 1, engines: PRINTS, pods: [row], later: [] }));
  assert.deepEqual(readings[0]?.reading, { ...reading, kvBlocks: null, cacheBytes: null, counters: { steps: 1 } });
});

describe("a payload is refused as a whole", () => {
  const bomb = gzipSync(Buffer.alloc(64 << 20, 32), { level: 9 });
  const payloads: Record<string, Uint8Array> = {
    "no gzip": new TextEncoder().encode("{}"),
    empty: new Uint8Array(0),
    "cut off": packed({ v: 1, engines: {}, pods: [] }).subarray(0, 20),
    "no JSON": packed("[1,"),
    "a list": packed([]),
    "another version": packed({ v: 2, engines: {}, pods: [] }),
    "no pods": packed({ v: 1, engines: {}, pods: {} }),
    "no engines": packed({ v: 1, engines: null, pods: [] }),
    "too many pods": packed({ v: 1, engines: {}, pods: Array(10_241).fill(0) }),
    "much more than it looks like": bomb,
    "rows that compress to nearly nothing": packed({ v: 1, engines: {}, pods: Array(9000).fill("row".repeat(40)) }),
  };
  for (const [name, payload] of Object.entries(payloads))
    test(name, async () => {
      await assert.rejects(decodeReadings(payload));
    });
});
