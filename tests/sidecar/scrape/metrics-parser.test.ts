// The parser of metrics: real captures, broken lines, hostile bodies, and numbers.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Engine } from "../../../sidecar/engines/engine-rows.ts";
import type { Reading } from "../../../sidecar/engines/reading.ts";
import { vllm } from "../../../sidecar/engines/vllm.ts";
import { compileTrie } from "../../../sidecar/scrape/metric-trie.ts";
import { MetricsParser } from "../../../sidecar/scrape/metrics-parser.ts";
import { parseNumber } from "../../../sidecar/scrape/number.ts";
import { capture } from "../../../testkit/captures.ts";

const parser = new MetricsParser(compileTrie(vllm));
const parse = (text: string | Buffer): Reading => parser.parse(Buffer.from(text));
const WAITING = "vllm:num_requests_waiting";

test("the metrics of an idle vLLM are read", () => {
  const { waiting, running, kvUsage, asleep, kvBlocks, blockTokens, adapters, malformed } = parse(capture("idle"));
  assert.deepEqual([waiting, running, kvUsage, asleep], [0, 0, 0, false]);
  assert.deepEqual([kvBlocks, blockTokens, adapters, malformed], [32768, 128, null, 0]);
});

test("the metrics of a busy vLLM are read", () => {
  const body = capture("load");
  const value = (name: string) => Number(new RegExp(`^${name}\\{.*\\} (.*)$`, "m").exec(body.toString())?.[1]);
  const reading = parse(body);
  assert.equal(reading.waiting, value(WAITING));
  assert.equal(reading.running, value("vllm:num_requests_running"));
  assert.equal(reading.kvUsage, value("vllm:kv_cache_usage_perc"));
  assert.ok((reading.running ?? 0) > 0);
});

test("for two data-parallel ranks the queues add up, the KV-cache usage is the mean, and blocks count once", () => {
  const reading = parse(capture("dp2_load"));
  assert.deepEqual([reading.waiting, reading.running], [14, 16]);
  assert.equal(reading.kvUsage, (0.0003662221137119559 + 0.0005798516800439302) / 2);
  assert.deepEqual([reading.kvBlocks, reading.blockTokens], [65536, 128]);
});

test("the counters of a busy vLLM are read; those of data-parallel ranks add up", () => {
  assert.deepEqual(parse(capture("load")).counters, {
    promptTokens: 8128,
    promptRequests: 50,
    cachedTokens: 5504,
    hitTokens: 5504,
    externalHitTokens: 0,
    steps: 1154,
    generatedTokens: 9113,
    interTokens: 9063,
    interTokenSeconds: 50.633111624001,
    prefillTokens: 2296,
    prefillSeconds: 0.6821187899988672,
    prefillRequests: 42,
    startedAt: 1.7953455839e9,
  });
  const ranks = parse('vllm:prompt_tokens_total{engine="0"} 3\nvllm:prompt_tokens_total{engine="1"} 4\n');
  assert.equal(ranks.counters.promptTokens, 7);
});

test("of two start times the later counts, and a server that shows only counters is recognised", () => {
  const { engine, counters } = parse(
    'process_start_time_seconds 7\nprocess_start_time_seconds{pid="2"} 9\nvllm:prompt_tokens_total 5\n',
  );
  assert.deepEqual([engine, counters], ["vllm", { promptTokens: 5, startedAt: 9 }]);
  assert.equal(parse("process_start_time_seconds 7\n").engine, null);
});

test("the labels of the cache's configuration tell how much memory is beside the GPU's", () => {
  const { offloadGiB, cacheBytes } = parse(
    'vllm:cache_config_info{kv_offloading_size="40.0",kv_cache_memory_bytes="4294967296",num_gpu_blocks="8"} 1\n',
  );
  assert.deepEqual([offloadGiB, cacheBytes], [40, 2 ** 32]);
  assert.equal(parse(capture("load")).offloadGiB, null);
});

test("the newest adapter series counts", () => {
  const { adapters } = parse(capture("lora_load"));
  assert.deepEqual(adapters, { max: 2, running: ["sql-lora", "tweet-lora"], waiting: [] });
});

test("two adapter series of the same time both count, and running wins over waiting", () => {
  const line = (running: string, waiting: string, time: string) =>
    `vllm:lora_requests_info{max_lora="4",running_lora_adapters="${running}",waiting_lora_adapters="${waiting}"} ${time}\n`;
  const text =
    line("a", "b", "1.5e9") + line("b", " c,,", "1.5e9") + line("old", "old", "1.4e9") + line("x", "x", "NaN");
  assert.deepEqual(parse(text).adapters, { max: 4, running: ["a", "b"], waiting: ["c"] });
});

test("an adapter's name is unescaped", () => {
  const text = 'vllm:lora_requests_info{running_lora_adapters="a\\"b\\\\c\\n",max_lora="1"} 1\n';
  assert.deepEqual(parse(text).adapters?.running, ['a"b\\c']);
});

for (const name of ["idle", "load", "lora_load", "dp2_load"]) {
  test(`${name} cut off at any byte, its whole lines are read, and nothing is thrown`, () => {
    const body = capture(name);
    const seen = new Map<number, Reading>();
    // A cut within a line must read as the last whole line. All 50,000 cuts would take a minute, so lines of metrics that
    // the tables name are cut at every byte, and other lines once.
    let start = 0;
    for (let end = body.indexOf(10); end >= 0; end = body.indexOf(10, start)) {
      const whole = parse(body.subarray(0, start));
      const line = body.toString("latin1", start, end);
      const used = vllm.rows.some((row) => line.startsWith(row.metric));
      for (let cut = used ? start : end; cut <= end; cut++) assert.deepEqual(parse(body.subarray(0, cut)), whole);
      seen.set(end, whole);
      start = end + 1;
    }
    assert.ok(seen.size > 500);
  });
}

test("only a whole metric name matches", () => {
  const text = `${WAITING}_by_reason{reason="x"} 5\nx${WAITING} 6\n${WAITING.slice(0, -1)} 7\n${WAITING.toUpperCase()} 8\n`;
  assert.equal(parse(text).waiting, null);
  assert.equal(parse(`${WAITING} 9\n`).waiting, 9);
});

test("older metric names are read, and the newer name wins if a text has both", () => {
  assert.equal(parse("vllm:gpu_cache_usage_perc 0.5\n").kvUsage, 0.5);
  assert.equal(parse("vllm:gpu_cache_usage_perc 0.5\nvllm:kv_cache_usage_perc 0.25\n").kvUsage, 0.25);
});

test("a pod is asleep if one of its ranks is not awake", () => {
  const state = (engine: number, name: string, value: number) =>
    `vllm:engine_sleep_state{engine="${engine}",sleep_state="${name}"} ${value}\n`;
  assert.equal(parse(state(0, "awake", 1) + state(0, "discard_all", 0)).asleep, false);
  assert.equal(parse(state(0, "awake", 1) + state(1, "awake", 0)).asleep, true);
  assert.equal(parse(state(0, "discard_all", 0)).asleep, false);
});

test("label values may contain any characters, such as braces and commas", () => {
  const good = [
    `${WAITING}{model_name="a} 7 {"} 3`,
    `${WAITING}{model_name="a\\"} 7",engine="0"} 3`,
    `${WAITING}{model_name="\\\\"} 3`,
    `${WAITING} { a = "b" , } 3`,
    `${WAITING}{}3`,
    `${WAITING}{a="# HELP"}\t3 1700000000000`,
    `  ${WAITING} 3 # {trace="1"} 2`,
    `${WAITING}{a="ü🐟"} 3.0\r`,
  ];
  for (const line of good) assert.equal(parse(`${line}\n`).waiting, 3, line);
});

test("a line that breaks the grammar is skipped and counted; the other lines are read", () => {
  const bad = [
    `${WAITING}{a="b} 3`,
    `${WAITING}{a=b} 3`,
    `${WAITING}{a="b" c="d"} 3`,
    `${WAITING}{="b"} 3`,
    `${WAITING}{a="b\\`,
    `${WAITING}{`,
    `${WAITING}{a="b"}`,
    `${WAITING} three`,
    `${WAITING} 0x10`,
    `${WAITING} 1_000`,
    `${WAITING} ${"9".repeat(5000)}`,
  ];
  for (const line of bad) {
    const { waiting, running, malformed } = parse(`${line}\nvllm:num_requests_running 1\n`);
    assert.deepEqual([waiting, running, malformed], [null, 1, 1], line);
  }
});

test("NaN, infinite and negative gauges are skipped; the other samples count", () => {
  for (const value of ["NaN", "+Inf", "-Inf", "Inf", "-1"]) {
    assert.equal(parse(`${WAITING} ${value}\n`).waiting, null, value);
    assert.equal(parse(`${WAITING}{engine="0"} ${value}\n${WAITING}{engine="1"} 2\n`).waiting, 2, value);
  }
});

test("a body's samples do not count for the next body", () => {
  parse(capture("lora_load"));
  const { samples, malformed, engine, ...signals } = parse("");
  assert.deepEqual([samples, malformed, engine], [0, 0, null]);
  const none = { waiting: null, running: null, kvUsage: null, kvBlocks: null, blockTokens: null, adapters: null };
  const unread = { offloadGiB: null, cacheBytes: null, counters: {} };
  assert.deepEqual(signals, { ...none, ...unread, asleep: false });
});

test("KV blocks that are not a number are unknown", () => {
  const { kvBlocks, blockTokens } = parse('vllm:cache_config_info{num_gpu_blocks="None",block_size="16"} 1\n');
  assert.deepEqual([kvBlocks, blockTokens], [null, 16]);
});

test("parsing a hostile body ends, and reads nothing", () => {
  const bodies = [
    "\n".repeat(300_000),
    "{".repeat(300_000),
    `${WAITING}{${'a="b",'.repeat(50_000)}`,
    `${WAITING}{a="${"\\".repeat(300_001)}\n`,
    "\0".repeat(300_000),
    "\ufeffvllm:num_requests_waiting 1\n",
  ];
  for (const body of bodies) assert.equal(parse(body).waiting, null);
  const random = fc.uint8Array({ maxLength: 400 });
  const pieces = fc.constantFrom(WAITING, "{", "}", '"', "\\", "=", ",", " ", "\n", "1", "NaN", "#", "a", "\r");
  const grammar = fc.array(pieces, { maxLength: 60 }).map((parts) => new Uint8Array(Buffer.from(parts.join(""))));
  fc.assert(
    fc.property(fc.oneof(random, grammar), (bytes) => {
      parser.parse(Buffer.from(bytes));
    }),
    { numRuns: 5000 },
  );
});

test("numbers equal those of Number(), to the last bit", () => {
  const read = (text: string) => parseNumber(Buffer.from(`x${text}y`), 1, 1 + Buffer.byteLength(text));
  const spelled = ["0", "12", "12.5", "9.75e-06", "1.7953457623275814e+09", "-3", "+4", ".5", "5.", "1e400", "1e-400"];
  for (const text of [...spelled, "123456789012345", "0.1234567890123456", "0.000000000000001"]) {
    assert.equal(read(text), Number(text), text);
  }
  for (const text of ["", ".", "-", "e5", "1e", "1.2.3", "abc", "0x1", "1 ", "--1"])
    assert.equal(read(text), undefined, text);
  assert.equal(read("-Inf"), Number.NEGATIVE_INFINITY);
  assert.equal(read("+infinity"), Number.POSITIVE_INFINITY);
  assert.ok(Number.isNaN(read("NaN")));
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) =>
      Object.is(read(String(x)), Number(String(x))),
    ),
  );
  fc.assert(fc.property(fc.nat(1e6), fc.nat(1e6), (a, b) => read(`${a}.${b}`) === Number(`${a}.${b}`)));
});

test("a label can make two signals of one metric, as in Triton", () => {
  const metric = "nv_trt_llm_request_metrics";
  const where = (value: string) => ({ label: "request_type", value });
  const engine: Engine = {
    name: "by-label",
    health: "/health",
    rows: [
      { kind: "gauge", metric, signal: "waiting", combine: "sum", where: where("waiting") },
      { kind: "gauge", metric, signal: "running", combine: "sum", where: where("scheduled") },
    ],
  };
  const text = `${metric}{request_type="scheduled"} 4\n${metric}{request_type="waiting"} 2\n${metric}{request_type="wait"} 9\n`;
  const { waiting, running } = new MetricsParser(compileTrie(engine)).parse(Buffer.from(text));
  assert.deepEqual([waiting, running], [2, 4]);
});
