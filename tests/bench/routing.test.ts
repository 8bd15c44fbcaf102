import assert from "node:assert/strict";
import { test } from "node:test";
import { burstLimit, claimsOf } from "../../bench/routing/claims.ts";
import type { Sent } from "../../bench/routing/client.ts";
import { CONTENDERS, envoyOf } from "../../bench/routing/contenders.ts";
import { mostOfBurst, repetitionOf, rowOf } from "../../bench/routing/figures.ts";
import type { Seen } from "../../bench/routing/lane.ts";
import { ROUTING_LOADS, type RoutingLoad, requestsOf } from "../../bench/routing/loads.ts";
import { envoyConfig } from "../../envoy/config.ts";

const load = (name: string): RoutingLoad => {
  const found = ROUTING_LOADS.find((one) => one.name === name);
  assert.ok(found, name);
  return found;
};

const sent = (at: number, wait: number, more: Partial<Sent> = {}): Sent => ({
  at,
  late: 0,
  wait,
  cut: false,
  status: 200,
  pod: 0,
  ...more,
});

function seen(contender: string, all: Sent[], hits = 80): Seen {
  const count = { prefixQueries: 0, prefixHits: 0, generatedTokens: 0, deepestQueue: 0, received: 0 };
  const end = { ...count, prefixQueries: 100, prefixHits: hits, generatedTokens: 500, deepestQueue: 3 };
  return {
    contender,
    sent: all,
    warmMs: 100,
    lastMs: 1100,
    counts: [count, end, end],
    cores: { pods: 0.1 },
    busy: 0.2,
  };
}

test("requests of the warm-up are in no figure; a cut request counts with the time that it waited, and a refused one does not count", () => {
  const all = [
    sent(50, 9999),
    sent(200, 10),
    sent(300, 20),
    sent(400, 4000, { cut: true, status: 0, pod: -1 }),
    sent(500, 5, { status: 503 }),
  ];
  const figures = repetitionOf(seen("tokens", all), load("shared"));
  assert.equal(figures.mean, (10 + 20 + 4000) / 3);
  assert.deepEqual([figures.refused, figures.cut, figures.hitRate, figures.outputPerSecond], [1, 1, 0.8, 500]);
});

test("bursts are judged one by one, and pod by pod", () => {
  const all = [sent(1, 1), sent(2, 1), sent(3, 1, { pod: 1 }), sent(5001, 1), sent(5002, 1, { pod: -1 })];
  assert.equal(mostOfBurst(all, 5000, 2), 2);
  assert.equal(burstLimit(200, 8), 30);
});

test("claims compare a contender with EPP and with the better of round robin and least request", () => {
  const shared = load("shared");
  const rows = (own: number, hits: number) => [
    rowOf("round-robin", [seen("round-robin", [sent(200, 100)])], shared),
    rowOf("least-request", [seen("least-request", [sent(200, 90)])], shared),
    rowOf("epp", [seen("epp", [sent(200, 100)])], shared),
    rowOf("tokens", [seen("tokens", [sent(200, own)], hits)], shared),
  ];
  assert.deepEqual(
    claimsOf(shared, rows(70, 80)).map(({ holds }) => holds),
    [true, true, true],
  );
  assert.deepEqual(
    claimsOf(shared, rows(93, 79)).map(({ holds }) => holds),
    [false, false, false],
    "0.93 of EPP's, a lower hit rate, 1.033 of least request's",
  );
});

test("the same seed gives the same requests, for the duration of the load", () => {
  const one = { ...load("adapters"), seconds: 5 };
  const { requests, adapters, params, warm } = requestsOf(one, 3);
  assert.deepEqual(
    requests.map(({ at }) => at),
    requestsOf(one, 3).requests.map(({ at }) => at),
  );
  assert.ok(adapters.length > 20 && params.length === one.pods && warm > 0);
  const last = requests.at(-1)?.at ?? 0;
  assert.ok(last > 3000 && last < 8000, `${last}`);
});

test("EPP's Envoy has no other way to a pod than the header that EPP sets", () => {
  const epp = CONTENDERS.find((one) => one.epp);
  assert.ok(epp);
  const needs = { models: ["m"], endpoints: ["127.0.0.1:1"], wasmFile: "none", secret: "s".repeat(16), eppPort: 2 };
  const { wasm: _wasm, ...config } = envoyOf(epp, needs);
  const text = JSON.stringify(envoyConfig({ ...config, port: 0, adminPort: 0 } as Parameters<typeof envoyConfig>[0]));
  assert.ok(text.includes("ORIGINAL_DST") && !text.includes("override_host") && !text.includes("least_request"), text);
});
