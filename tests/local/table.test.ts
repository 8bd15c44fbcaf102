import assert from "node:assert/strict";
import { test } from "node:test";
import { ChangedLines } from "../../envoy/local/show.ts";
import { lastLines, rowsOf, summary, tableLines } from "../../envoy/local/table.ts";
import type { EndpointJson, Sight } from "../../envoy/local/watch.ts";

const pods = [
  { name: "pod-1", address: "127.0.0.1:8001" },
  { name: "pod-2", address: "127.0.0.1:8002" },
];

function endpoint(address: string, more: Partial<EndpointJson> = {}): EndpointJson {
  const still = { ready: true, draining: false, asleep: false, waiting: 0, running: 0, kvUsage: 0, inFlight: 0 };
  return { address, ...still, ...more };
}

function sight(endpoints: EndpointJson[], more: Partial<Sight> = {}): Sight {
  const snapshot = {
    ageMs: 40,
    stale: false,
    endpoints,
    models: [
      { name: "adapter", kind: "adapter" as const, endpoints: ["127.0.0.1:8001"] },
      { name: "llama", kind: "base" as const, endpoints: ["127.0.0.1:8001", "127.0.0.1:8002"] },
    ],
  };
  return { snapshot, counters: new Map(), picks: new Map(), last: [], ...more };
}

test("a row shows the filter's snapshot, base models first", () => {
  const seen = sight([endpoint("127.0.0.1:8001", { waiting: 4, running: 8, kvUsage: 0.0256, inFlight: 12 })], {
    picks: new Map([["127.0.0.1:8001", 30]]),
  });
  assert.deepEqual(rowsOf(pods, seen)[0], {
    pod: "pod-1",
    address: "127.0.0.1:8001",
    state: "ready",
    waiting: "4",
    running: "8",
    kv: "2.6%",
    inFlight: "12",
    picks: "42",
    models: "llama, adapter",
  });
});

test("an unknown value is a dash, and so is the last load of a pod that is down", () => {
  const seen = sight([
    endpoint("127.0.0.1:8001", { ready: false, waiting: 4, running: 8 }),
    endpoint("127.0.0.1:8002", { waiting: null, kvUsage: null }),
  ]);
  const [down, vague] = rowsOf(pods, seen);
  assert.deepEqual([down?.state, down?.waiting, down?.running, down?.kv], ["down", "-", "-", "-"]);
  assert.deepEqual([vague?.state, vague?.waiting, vague?.running, vague?.kv], ["ready", "-", "0", "-"]);
});

test("pods are shown before the first snapshot, and each state has a word", () => {
  const nothing = rowsOf(pods, { ...sight([]), snapshot: undefined });
  assert.deepEqual(
    nothing.map(({ pod, state, models }) => [pod, state, models]),
    [
      ["pod-1", "unknown", "-"],
      ["pod-2", "unknown", "-"],
    ],
  );
  const [a, b] = rowsOf(
    pods,
    sight([endpoint("127.0.0.1:8001", { draining: true }), endpoint("127.0.0.1:8002", { asleep: true })]),
  );
  assert.deepEqual([a?.state, b?.state], ["draining", "asleep"]);
});

test("columns are aligned, numbers on the right, and no line is wider than the terminal", () => {
  const rows = rowsOf(pods, sight([endpoint("127.0.0.1:8001", { waiting: 12 }), endpoint("127.0.0.1:8002")]));
  const [titles = "", first = "", second = ""] = tableLines(rows, 200, 20);
  const end = titles.indexOf("WAITING") + "WAITING".length;
  assert.equal(first.slice(end - 3, end), " 12");
  assert.equal(second.slice(end - 3, end), "  0");
  assert.equal(first.indexOf("llama"), titles.indexOf("MODELS"));
  const narrow = tableLines(rows, 30, 20);
  assert.deepEqual([...new Set(narrow.map((line) => line.length))], [30]);
  assert.ok(narrow[1]?.endsWith("..."));
});

test("more pods than lines are counted, not shown", () => {
  const many = Array.from({ length: 50 }, (_, i) => ({ name: `p${i}`, address: `10.0.0.${i}:1` }));
  const lines = tableLines(rowsOf(many, sight([])), 200, 10);
  assert.equal(lines.length, 10);
  assert.equal(lines.at(-1), "... and 42 more pods");
  assert.equal(tableLines(rowsOf(many, sight([])), 200, 51).length, 51);
});

test("the summary counts the outcomes of requests, and says if the snapshot is stale", () => {
  const counters = new Map([
    ["requests", 7],
    ["picked", 5],
    ["unknown_model", 2],
    ["snapshot.stored", 900],
  ]);
  assert.equal(summary(sight([], { counters })), "snapshot 40 ms old; 7 requests: 5 picked, 2 unknown model");
  const old = sight([], { counters: new Map([["requests", 1]]) });
  if (old.snapshot) Object.assign(old.snapshot, { ageMs: 5600, stale: true });
  assert.equal(summary(old), "snapshot 5.6 s old, stale; 1 request");
  assert.equal(summary({ ...sight([]), snapshot: undefined }), "no snapshot; 0 requests");
});

test("a model name cannot move the cursor", () => {
  const line = { time: "2026-01-01T10:11:12.000Z", pick: null, reason: null, status: 404, milliseconds: 1 };
  const last = [{ ...line, model: "evil\x1b[2J\n\x9b", upstream: null }];
  const [text = ""] = lastLines(pods, sight([], { last }), 200);
  assert.equal(text, "10:11:12  evil?[2J?? -> no pod  404  1 ms  ");
});

test("a request's line names the pod that answered", () => {
  const line = { time: "2026-01-01T10:11:12.000Z", pick: "127.0.0.1:8001", reason: "picked", status: 200 };
  const last = [{ ...line, model: "llama", upstream: "127.0.0.1:8002", milliseconds: 64 }];
  assert.deepEqual(lastLines(pods, sight([], { last }), 200), ["10:11:12  llama -> pod-2  200  64 ms  picked"]);
});

test("without a terminal only changed pods are printed, and the summary after ten silent seconds", () => {
  const lines = new ChangedLines();
  const still = sight([endpoint("127.0.0.1:8001"), endpoint("127.0.0.1:8002")]);
  assert.equal(lines.of(pods, still, 1000).length, 2);
  assert.deepEqual(lines.of(pods, still, 2000), []);
  const moved = sight([endpoint("127.0.0.1:8001"), endpoint("127.0.0.1:8002", { running: 1 })]);
  assert.deepEqual(lines.of(pods, moved, 3000), ["pod-2 ready, 0 waiting, 1 running, KV 0.0%, 0 in flight, 0 picks"]);
  assert.deepEqual(lines.of(pods, moved, 12_999), []);
  assert.deepEqual(lines.of(pods, moved, 13_000), ["snapshot 40 ms old; 0 requests"]);
  assert.deepEqual(lines.of(pods, moved, 14_000), []);
});
