// The parser against another one that is slow and plain: over real captures, over text made from its grammar, and over
// bytes that come in any pieces. The other one splits lines and uses regular expressions; they share nothing.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import type { Engine } from "../../../sidecar/engines/engine-rows.ts";
import { AUTO, ENGINES, enginesFor } from "../../../sidecar/engines/index.ts";
import type { Reading } from "../../../sidecar/engines/reading.ts";
import { compileTrie } from "../../../sidecar/scrape/metric-trie.ts";
import { MetricsParser } from "../../../sidecar/scrape/metrics-parser.ts";
import { ResponseReader } from "../../../sidecar/scrape/response-reader.ts";

const FOLDER = new URL("../../fixtures/metrics/", import.meta.url);
const CORPUS = readdirSync(FOLDER).map((name) => [name, readFileSync(new URL(name, FOLDER))] as const);
const parser = new MetricsParser(compileTrie(enginesFor(AUTO, ENGINES)));

type Signals = Pick<Reading, "engine" | "waiting" | "running" | "kvUsage" | "kvBlocks" | "blockTokens" | "asleep">;

const SAMPLE = /^[ \t]*([^{ \t\r]+)[ \t]*(?:\{((?:[^"}]|"(?:\\.|[^"\\])*")*)\})?[ \t]*([^ \t\r]+)(?:[ \t\r].*)?$/s;
const LABEL = /\s*([^=\s,]+)\s*=\s*"((?:\\.|[^"\\])*)"\s*,?/gs;

const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/;
const NO_NUMBER = /^[+-]?(nan|inf|infinity)$/i;

/** Of a text that is a finite number, as Prometheus writes them; 0 of any other. */
function finite(text: string): number {
  return NUMBER.test(text) ? Number(text) : 0;
}

/** The reference: every line by regular expressions, every engine by itself. */
function reference(text: string): Signals {
  const samples: Array<{ name: string; labels: Map<string, string>; value: number }> = [];
  for (const line of text.slice(0, text.lastIndexOf("\n") + 1).split("\n")) {
    if (/^[ \t]*#/.test(line)) continue;
    const [, name = "", labels = "", number = ""] = SAMPLE.exec(line) ?? [];
    if (name === "" || !(NUMBER.test(number) || NO_NUMBER.test(number))) continue;
    const all = [...labels.matchAll(LABEL)].map(([, key, value]) => [key as string, value as string] as const);
    samples.push({ name, labels: new Map(all), value: Number(number) });
  }
  const say = (engine: Engine, signal: string): number | null => {
    for (const row of engine.rows) {
      if (row.kind !== "gauge" || row.signal !== signal) continue;
      const values = samples
        .filter(
          ({ name, labels }) => name === row.metric && (!row.where || labels.get(row.where.label) === row.where.value),
        )
        .map(({ value }) => value)
        .filter((value) => value >= 0 && value < Number.POSITIVE_INFINITY);
      if (values.length === 0) continue;
      const sum = values.reduce((a, b) => a + b, 0);
      if (row.combine === "sum") return sum;
      if (row.combine === "mean") return sum / values.length;
      return row.combine === "min" ? Math.min(...values) : Math.max(...values);
    }
    return null;
  };
  const info = (engine: Engine, signal: "kvBlocks" | "blockTokens"): number | null => {
    for (const row of engine.rows) {
      const label = row.kind === "labels" ? row.numbers[signal] : undefined;
      const values = samples
        .filter(({ name }) => name === row.metric)
        .map(({ labels }) => finite(labels.get(label ?? "") ?? ""));
      const most = Math.max(0, ...values);
      if (label !== undefined && most > 0) return most;
    }
    return say(engine, signal) || null;
  };
  const tells = (engine: Engine) => ["waiting", "running", "kvUsage"].some((signal) => say(engine, signal) !== null);
  const recognised = [...ENGINES.values()].find(tells);
  const engine = recognised ?? ([...ENGINES.values()][0] as Engine);
  return {
    engine: recognised?.name ?? null,
    waiting: say(engine, "waiting"),
    running: say(engine, "running"),
    kvUsage: say(engine, "kvUsage"),
    kvBlocks: info(engine, "kvBlocks"),
    blockTokens: info(engine, "blockTokens"),
    asleep: say(engine, "awake") === 0,
  };
}

function signals({ adapters, samples, malformed, ...rest }: Reading): Signals {
  return rest;
}

test("real captures and texts of other servers are read as the reference reads them", () => {
  assert.ok(CORPUS.length >= 10);
  for (const [name, body] of CORPUS) {
    assert.deepEqual(signals(parser.parse(body)), reference(body.toString("latin1")), name);
  }
});

const metrics = [...ENGINES.values()].flatMap(({ rows }) => rows.map((row) => row.metric));
const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...metrics) },
  { weight: 1, arbitrary: fc.constantFrom(...metrics).map((one) => `${one}_by_reason`) },
  { weight: 1, arbitrary: fc.constantFrom(...metrics).map((one) => one.slice(0, -1)) },
  { weight: 1, arbitrary: fc.constantFrom("up", "process_cpu_seconds_total", "vllm:", "nv_") },
);
const labelName = fc.constantFrom(
  "engine",
  "request_type",
  "kv_cache_block_type",
  "sleep_state",
  "num_gpu_blocks",
  "block_size",
);
const labelValue = fc.oneof(
  fc.constantFrom(
    "waiting",
    "scheduled",
    "fraction",
    "max",
    "tokens_per",
    "awake",
    "16",
    "2048",
    "",
    "} 7 {",
    "# a, b",
    'q\\"q',
    "\\\\",
  ),
  fc.string({ maxLength: 8 }).map((text) => text.replaceAll(/["\\\n\r]/g, "_")),
);
const blank = fc.constantFrom("", " ", "\t", "  ");
const label = fc.tuple(labelName, blank, blank, labelValue).map(([key, a, b, value]) => `${key}${a}=${b}"${value}"`);
const labels = fc.uniqueArray(label, { maxLength: 3, selector: (one) => one.split("=")[0]?.trim() });
const number = fc.oneof(
  fc.nat(100).map(String),
  fc.double({ min: 0, max: 1e6, noNaN: true }).map(String),
  fc.constantFrom("NaN", "+Inf", "-Inf", "-1", "1e3", "9.75e-06", "three", "0x10", "1_0", ".5", "5.", "+4"),
);
const line = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(blank, name, blank, labels, fc.boolean(), number, fc.constantFrom("", " 1700000000", "\r", ' # {a="b"} 1'))
      .map(
        ([before, metric, gap, all, braces, value, after]) =>
          `${before}${metric}${braces || all.length > 0 ? `${gap}{${all.join(",")}}` : ""} ${value}${after}`,
      ),
  },
  { weight: 1, arbitrary: name.map((metric) => `# TYPE ${metric} gauge`) },
  { weight: 1, arbitrary: fc.constantFrom("", "  ", "#", "garbage", "{} 1", "a{b} 1") },
);
const text = fc
  .tuple(fc.array(line, { maxLength: 25 }), fc.boolean())
  .map(([all, ended]) => all.join("\n") + (ended ? "\n" : ""));

test("generated text is read as the reference reads it", () => {
  fc.assert(
    fc.property(text, (body) => {
      assert.deepEqual(signals(parser.parse(Buffer.from(body, "utf8"))), reference(body));
    }),
    { numRuns: 5000 },
  );
});

/** Both ways that a server may send it. */
function answers(body: Buffer): Buffer[] {
  const head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n";
  const half = body.length >> 1;
  const chunk = (bytes: Buffer) => [Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")];
  return [
    Buffer.concat([Buffer.from(`${head}content-length: ${body.length}\r\n\r\n`), body]),
    Buffer.concat([
      Buffer.from(`${head}transfer-encoding: chunked\r\n\r\n`),
      ...chunk(body.subarray(0, half)),
      ...chunk(body.subarray(half)),
      Buffer.from("0\r\n\r\n"),
    ]),
  ];
}

test("a capture that comes in two pieces, split at any byte, reads the same", () => {
  const reader = new ResponseReader();
  const received = Buffer.alloc(256 << 10);
  for (const [name, body] of CORPUS) {
    const expected = parser.parse(body);
    for (const answer of answers(body)) {
      // Every byte of the first 3,000 and the last 200; of the rest of the large ones each 29th, or it would take minutes.
      for (let at = 1; at < answer.length; at += at < 3000 || at > answer.length - 200 ? 1 : 29) {
        reader.start(1 << 20);
        answer.copy(received, 0, 0, at);
        reader.push(received.subarray(0, at));
        answer.copy(received, 0, at);
        assert.equal(reader.push(received.subarray(0, answer.length - at)), true);
        const reading = parser.parse(reader.body);
        if (reading.waiting !== expected.waiting || reading.samples !== expected.samples)
          assert.fail(`${name} at ${at}`);
        assert.equal(reading.malformed, 0);
        reader.release();
      }
    }
  }
});

test("generated text in any pieces reads the same", () => {
  const reader = new ResponseReader();
  fc.assert(
    fc.property(text, fc.array(fc.nat(), { maxLength: 6 }), (given, cuts) => {
      const body = Buffer.from(given, "utf8");
      if (body.length === 0) return;
      const expected = parser.parse(body);
      for (const answer of answers(body)) {
        const at = [...new Set(cuts.map((cut) => cut % answer.length))].sort((a, b) => a - b);
        reader.start(1 << 20);
        for (const [i, from] of [0, ...at].entries()) {
          const piece = answer.subarray(from, at[i] ?? answer.length);
          if (piece.length > 0) reader.push(Buffer.from(piece));
        }
        assert.deepEqual(parser.parse(reader.body), expected);
        reader.release();
      }
    }),
    { numRuns: 1000 },
  );
});
