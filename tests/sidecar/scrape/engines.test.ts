// Each server's text is read by its own table, and recognised among all of them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseConfig } from "../../../sidecar/config/load.ts";
import type { Reading } from "../../../sidecar/engines/engine-rows.ts";
import { AUTO, ENGINES, type EngineTable, enginesFor } from "../../../sidecar/engines/index.ts";
import { compileMatcher } from "../../../sidecar/scrape/metric-trie.ts";
import { MetricsParser } from "../../../sidecar/scrape/metrics-parser.ts";

const fixture = (name: string): Buffer => readFileSync(new URL(`../../fixtures/metrics/${name}.txt`, import.meta.url));
const read = (text: string | Buffer, engine = AUTO, table: EngineTable = ENGINES): Reading =>
  new MetricsParser(compileMatcher(enginesFor(engine, table))).parse(Buffer.from(text));

interface Expected {
  engine: string;
  waiting: number;
  running: number;
  kvUsage: number | null;
  kvBlocks: number | null;
  blockTokens: number | null;
}

const SAID: Record<string, Expected> = {
  "vllm-0.32-dp2_load": {
    engine: "vllm",
    waiting: 14,
    running: 16,
    kvUsage: (0.0003662221137119559 + 0.0005798516800439302) / 2,
    kvBlocks: 65536,
    blockTokens: 128,
  },
  // One rank's queue is NaN: the other's still counts.
  sglang: { engine: "sglang", waiting: 4, running: 8, kvUsage: 0.375, kvBlocks: 11147, blockTokens: 64 },
  "trtllm-serve": { engine: "trtllm-serve", waiting: 3, running: 12, kvUsage: 0.62, kvBlocks: 4096, blockTokens: 32 },
  "triton-tensorrt-llm": {
    engine: "triton-tensorrt-llm",
    waiting: 2,
    running: 6,
    kvUsage: 0.4875,
    kvBlocks: 6240,
    blockTokens: 64,
  },
  ray: { engine: "ray", waiting: 7, running: 5, kvUsage: 0.5, kvBlocks: 2000, blockTokens: 16 },
  tgi: { engine: "tgi", waiting: 11, running: 4, kvUsage: null, kvBlocks: null, blockTokens: null },
  "llama.cpp": { engine: "llama.cpp", waiting: 46, running: 2, kvUsage: null, kvBlocks: null, blockTokens: null },
};

test("every engine of the table has a text here", () => {
  assert.deepEqual(new Set(Object.values(SAID).map(({ engine }) => engine)), new Set(ENGINES.keys()));
});

for (const [name, expected] of Object.entries(SAID)) {
  test(`${name}: recognised among all, and read the same by its own table alone`, () => {
    for (const engine of [AUTO, expected.engine]) {
      const { waiting, running, kvUsage, kvBlocks, blockTokens, asleep, malformed, ...rest } = read(
        fixture(name),
        engine,
      );
      assert.deepEqual({ engine: rest.engine, waiting, running, kvUsage, kvBlocks, blockTokens }, expected, engine);
      assert.deepEqual([asleep, malformed], [false, 0]);
    }
  });
}

test("by another server's table a text says nothing", () => {
  for (const [name, { engine }] of Object.entries(SAID)) {
    for (const other of ENGINES.keys()) {
      if (other === engine) continue;
      const reading = read(fixture(name), other);
      assert.deepEqual(
        [reading.engine, reading.waiting, reading.running, reading.samples],
        [null, null, null, 0],
        name,
      );
    }
  }
});

test("a text of no known server is nobody's", () => {
  assert.equal(read("http_requests_total 5\npython_info 1\n").engine, null);
});

const config = (engines: object, more: object = {}) =>
  parseConfig(
    { endpoints: ["http://127.0.0.1:1"], push: { targets: ["http://127.0.0.1:2"] }, engines, ...more },
    { PILOTFISH_SECRET: "0123456789abcdef" },
  );
const problems = (engines: object, more?: object): readonly string[] => {
  try {
    config(engines, more);
    return [];
  } catch (error) {
    return (error as { problems: readonly string[] }).problems;
  }
};

test("a server of one's own is given by names and labels, recognised like the others, and can be named", () => {
  const own = {
    waiting: ["acme_queue", "acme_old_queue"],
    running: 'acme_requests{state="running"}',
    kvUsage: "acme_cache{tier=gpu}",
    cacheInfo: { metric: "acme_cache_info", kvBlocks: "blocks", blockTokens: "tokens" },
    adapters: { metric: "acme_adapters", max: "max", running: "on", waiting: "off" },
  };
  const { engines, endpoints } = config({ acme: own }, { endpoints: [{ url: "http://127.0.0.1:1", engine: "acme" }] });
  assert.equal(endpoints[0]?.engine, "acme");
  const text =
    'acme_old_queue 9\nacme_queue 2\nacme_requests{state="done"} 50\nacme_requests{state="running"} 3\n' +
    'acme_cache{tier="cpu"} 0.9\nacme_cache{tier="gpu"} 0.5\nacme_cache_info{blocks="100",tokens="16"} 1\n' +
    'acme_adapters{max="4",on="a,b",off="c"} 7\n';
  for (const engine of ["acme", AUTO]) {
    const { samples, malformed, ...said } = read(text, engine, engines);
    assert.deepEqual(said, {
      engine: "acme",
      waiting: 2,
      running: 3,
      kvUsage: 0.5,
      asleep: false,
      kvBlocks: 100,
      blockTokens: 16,
      adapters: { max: 4, running: ["a", "b"], waiting: ["c"] },
    });
    assert.deepEqual([samples, malformed], [8, 0]);
  }
});

test("an engine of the table can be corrected, and keeps what is not said", () => {
  const { engines } = config({ vllm: { waiting: "my_vllm_queue" }, "triton-tensorrt-llm": { port: 9002 } });
  const reading = read("my_vllm_queue 5\nvllm:num_requests_waiting 9\nvllm:num_requests_running 1\n", AUTO, engines);
  assert.deepEqual([reading.engine, reading.waiting, reading.running], ["vllm", 5, 1]);
  assert.deepEqual(engines.get("triton-tensorrt-llm")?.metrics, { port: 9002 });
});

test("what is wrong with an engine is said with key, value and expectation", () => {
  const expected: Array<[object, RegExp]> = [
    [
      { a: { waiting: "x{y}" } },
      /^engines\.a\.waiting.*: got .*, expected a metric, as name or name\{label="value"\}$/,
    ],
    [{ a: { health: "/h" } }, /^engines\.a: got .*, expected at least one of waiting, running and kvUsage$/],
    [{ a: { waiting: "x", queue: "y" } }, /^engines\.a\.queue: unknown key/],
    [{ "A!": { waiting: "x" } }, /^engines\.A!: .* expected the name of an engine/],
    [{ auto: { waiting: "x" } }, /^engines\.auto: got .*, expected another name than auto$/],
    [{ a: { waiting: "x", port: 0 } }, /^engines\.a\.port: got 0, expected a port$/],
  ];
  for (const [engines, line] of expected) assert.match(problems(engines).join("\n"), line);
  const unknown = problems({ acme: { waiting: "x" } }, { endpoints: [{ url: "http://127.0.0.1:1", engine: "acne" }] });
  assert.match(unknown.join("\n"), /^endpoints\[0\]\.engine: got "acne", expected one of auto, acme, vllm, sglang/);
});
