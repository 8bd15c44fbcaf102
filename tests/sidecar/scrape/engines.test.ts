// The tables of model servers. Each fixture that has a line "# Expected: ..." is a case: adding an engine needs no change here.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parseConfig } from "../../../sidecar/config/load.ts";
import type { Engine } from "../../../sidecar/engines/engine-rows.ts";
import { AUTO, ENGINES, type EngineTable, enginesFor } from "../../../sidecar/engines/index.ts";
import type { Reading } from "../../../sidecar/engines/reading.ts";
import { compileTrie } from "../../../sidecar/scrape/metric-trie.ts";
import { MetricsParser } from "../../../sidecar/scrape/metrics-parser.ts";

const read = (text: string | Buffer, engine = AUTO, table: EngineTable = ENGINES): Reading =>
  new MetricsParser(compileTrie(enginesFor(engine, table))).parse(Buffer.from(text));

type Expected = Record<"waiting" | "running" | "kvUsage" | "kvBlocks" | "blockTokens", number | null>;

const FIXTURES = new URL("../../fixtures/metrics/", import.meta.url);
const TABLES = new URL("../../../sidecar/engines/", import.meta.url);
const SHAPE = "# Expected: waiting=2 running=5 kvUsage=0.5 kvBlocks=none blockTokens=none";

/** Captures of real servers stay as they were recorded, so their expected numbers are here. */
const RECORDED: Readonly<Record<string, string>> = {
  "vllm-0.32-dp2_load.txt": `# Expected: waiting=14 running=16 kvUsage=${(0.0003662221137119559 + 0.0005798516800439302) / 2} kvBlocks=65536 blockTokens=128`,
};

/** The numbers of the line "# Expected: ..." of a fixture; undefined: the fixture has no such line. */
function expectedOf(text: string): Expected | undefined {
  const line = /^# Expected[^:\n]*: (.*)$/m.exec(text)?.[1];
  if (line === undefined) return undefined;
  const value = (signal: string): number | null => {
    const found = new RegExp(`\\b${signal}=(\\S+)`).exec(line)?.[1];
    assert.ok(found !== undefined, `"${line}": expected ${signal}, as in "${SHAPE}"`);
    return found === "none" ? null : Number(found);
  };
  return {
    waiting: value("waiting"),
    running: value("running"),
    kvUsage: value("kvUsage"),
    kvBlocks: value("kvBlocks"),
    blockTokens: value("blockTokens"),
  };
}

/** Returns the fixtures that have a line "# Expected: ...": `ENGINE.txt`, or `ENGINE-anything.txt`. */
const CASES = readdirSync(FIXTURES).flatMap((file) => {
  const text = readFileSync(new URL(file, FIXTURES));
  const expected = expectedOf(RECORDED[file] ?? text.toString());
  if (expected === undefined) return [];
  const name = file.replace(/\.txt$/, "");
  const named = [...ENGINES.keys()].filter((engine) => name === engine || name.startsWith(`${engine}-`));
  const engine = named.sort((a, b) => b.length - a.length)[0];
  assert.ok(engine !== undefined, `tests/fixtures/metrics/${file}: expected a name that begins with an engine's name`);
  return [{ file, engine, text, expected }];
});

describe("an engine that was added is complete:", () => {
  test("each table in sidecar/engines is registered", async () => {
    for (const file of readdirSync(TABLES)) {
      for (const made of Object.values(await import(new URL(file, TABLES).href)) as Array<Partial<Engine>>) {
        if (made?.rows === undefined || made.name === undefined) continue;
        assert.ok(ENGINES.has(made.name), `sidecar/engines/${file}: add it to BUILT_IN in sidecar/engines/index.ts`);
      }
    }
  });

  for (const [engine, { health }] of ENGINES) {
    test(`${engine} has a fixture with expected numbers`, () => {
      const hint = `add tests/fixtures/metrics/${engine}.txt: a response of its /metrics, and a line "${SHAPE}"`;
      assert.ok(
        CASES.some((each) => each.engine === engine),
        hint,
      );
    });

    test(`${engine} has a row in docs/how-to/model-servers.md`, () => {
      const docs = readFileSync(new URL("../../../docs/how-to/model-servers.md", import.meta.url), "utf8");
      const row = docs.split("\n").find((line) => line.startsWith(`| \`${engine}\` |`)) ?? "";
      assert.ok(
        row.includes(`\`${health}\``),
        `docs/how-to/model-servers.md: add a row for ${engine}, health ${health}`,
      );
    });
  }
});

for (const { file, engine, text, expected } of CASES) {
  test(`${file}: the engine is recognised, and its own table alone reads the same`, () => {
    for (const by of [AUTO, engine]) {
      const reading = read(text, by);
      const { waiting, running, kvUsage, kvBlocks, blockTokens } = reading;
      assert.deepEqual({ waiting, running, kvUsage, kvBlocks, blockTokens }, expected, by);
      assert.deepEqual([reading.engine, reading.asleep, reading.malformed], [engine, false, 0]);
    }
  });

  test(`${file}: the tables of other engines read nothing`, () => {
    for (const other of ENGINES.keys()) {
      if (other === engine) continue;
      const { engine: found, waiting, running, samples, counters } = read(text, other);
      assert.deepEqual([found, waiting, running], [null, null, null], other);
      // Programs of all kinds have a start time.
      const { startedAt, ...others } = counters;
      assert.deepEqual([others, samples], [{}, startedAt === undefined ? 0 : 1], other);
    }
  });
}

test("a text without known metric names has no engine", () => {
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

test("the configuration describes an engine by metric names and labels; the engine is recognised, and can be named", () => {
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
    const { samples, malformed, ...signals } = read(text, engine, engines);
    assert.deepEqual(signals, {
      engine: "acme",
      waiting: 2,
      running: 3,
      kvUsage: 0.5,
      asleep: false,
      kvBlocks: 100,
      blockTokens: 16,
      offloadGiB: null,
      cacheBytes: null,
      counters: {},
      adapters: { max: 4, running: ["a", "b"], waiting: ["c"] },
    });
    assert.deepEqual([samples, malformed], [8, 0]);
  }
});

test("the configuration can correct a built-in engine; keys that it leaves out keep the table's values", () => {
  const { engines } = config({ vllm: { waiting: "my_vllm_queue" }, "triton-tensorrt-llm": { port: 9002 } });
  const reading = read("my_vllm_queue 5\nvllm:num_requests_waiting 9\nvllm:num_requests_running 1\n", AUTO, engines);
  assert.deepEqual([reading.engine, reading.waiting, reading.running], ["vllm", 5, 1]);
  assert.deepEqual(engines.get("triton-tensorrt-llm")?.metrics, { port: 9002 });
});

test("an error in `engines` names key, value and expectation", () => {
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
  assert.match(problems({ a: { kvBlocks: "x" } }).join("\n"), /at least one of waiting, running and kvUsage/);
});
