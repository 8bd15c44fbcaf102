import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { burstLimit, claimsOf } from "../../bench/routing/claims.ts";
import { CONTENDERS, contenderNamed, contenderNames, missing } from "../../bench/routing/contenders.ts";
import { total } from "../../bench/routing/engine-pool.ts";
import { envoyOf } from "../../bench/routing/envoy-of.ts";
import { disturbed, mostOfBurst, repetitionOf, rowOf } from "../../bench/routing/figures.ts";
import type { Seen } from "../../bench/routing/lane.ts";
import { learnConfig } from "../../bench/routing/learn-config.ts";
import { ROUTING_LOADS, type RoutingLoad, requestsOf } from "../../bench/routing/loads.ts";
import { chosenLoads, type RoutingOptions } from "../../bench/routing/options.ts";
import { servingCores } from "../../bench/routing/report.ts";
import type { Sent } from "../../bench/routing/sending.ts";
import { fixedHomes } from "../../bench/sim/rivals/home.ts";
import { envoyConfig } from "../../envoy/config.ts";
import { parseConfig } from "../../sidecar/config/load.ts";

const PUSH = { targets: ["http://127.0.0.1:2"], secret: "a-secret-of-the-test" };

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
  again: 0,
  broken: false,
  ...more,
});

function seen(contender: string, all: Sent[], hits = 80): Seen {
  const count = { prefixQueries: 0, prefixHits: 0, generatedTokens: 0, deepestQueue: 0, received: 0, scrapeMs: 0 };
  const end = { ...count, prefixQueries: 100, prefixHits: hits, generatedTokens: 500, deepestQueue: 3, scrapeMs: 50 };
  return {
    contender,
    sent: all,
    warmMs: 100,
    lastMs: 1100,
    spans: [],
    awayMs: [],
    counts: [count, end, end],
    cores: { pods: 0.1 },
    machine: { busy: 0.2, foreign: 0 },
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
  assert.equal(figures.scrapeShare, 0.05);
});

test("requests that were sent again and responses that broke off are counted", () => {
  const all = [sent(50, 1, { again: 1 }), sent(200, 10, { again: 3 }), sent(300, 20, { broken: true }), sent(400, 5)];
  const { again, broken, p50 } = repetitionOf(seen("tokens-2-restart", all), load("shared"));
  assert.deepEqual([again, broken, p50], [1, 1, 10]);
});

test("tokens of other shapes is compared with one worker, and with restarts with the same without", () => {
  const waits = { epp: 50, "tokens-1": 100, "tokens-8": 110, "tokens-4x4": 115 };
  const eight = "tokens-8: p90 at most 1.1 of one worker";
  const fleet = "tokens-4x4: p90 at most 1.15 of one worker";
  assert.deepEqual(claimed(load("mixed"), waits), { [eight]: true, [fleet]: true });
  const worse = { ...waits, "tokens-8": 111, "tokens-4x4": 116 };
  assert.deepEqual(claimed(load("mixed"), worse), { [eight]: false, [fleet]: false });
  const restarted = "tokens-2x2-restart: p90 at most 1.15 of the same without restarts";
  const calm = { "tokens-2x2": 100, "tokens-1": 10 };
  assert.equal(claimed(load("fitting"), { ...calm, "tokens-2x2-restart": 115 })[restarted], true);
  assert.equal(claimed(load("fitting"), { ...calm, "tokens-2x2-restart": 116 })[restarted], false);
});

test("names of contenders say concurrency, Envoys and restarts", () => {
  const shape = (name: string) => contenderNamed(name)?.shape;
  assert.deepEqual(shape("tokens-8"), { workers: 8, envoys: 1 });
  assert.deepEqual(shape("tokens-4x16-restart"), { workers: 4, envoys: 16 });
  assert.equal(shape("tokens-restart"), undefined);
  for (const name of ["tokens-restart", "tokens-8-restart"]) assert.equal(contenderNamed(name)?.restarts, true, name);
  assert.equal(contenderNamed("tokens")?.restarts, undefined);
  assert.equal(contenderNamed("tokens-hold")?.name, "tokens-hold");
  for (const name of ["tokens-0", "tokens-65", "tokens-2x17", "tokens-2-hold", "epp-restart", "load-2"]) {
    assert.equal(contenderNamed(name), undefined, name);
    assert.throws(() => contenderNames(`epp,${name}`), /given, expected some of round-robin,.*tokens-4x2/, name);
  }
  assert.deepEqual(contenderNames("epp, tokens-1"), ["epp", "tokens-1"]);
});

test("bursts are judged one by one, and pod by pod", () => {
  const all = [sent(1, 1), sent(2, 1), sent(3, 1, { pod: 1 }), sent(5001, 1), sent(5002, 1, { pod: -1 })];
  assert.equal(mostOfBurst(all, 5000, 2), 2);
  assert.equal(burstLimit(200, 8), 30);
});

/** Claims as `claim: met`, for one request of each contender with these waits. */
function claimed(one: RoutingLoad, waits: Readonly<Record<string, number>>, hits: Record<string, number> = {}) {
  const rows = Object.entries(waits).map(([name, wait]) => {
    return rowOf(name, [seen(name, [sent(200, wait)], hits[name])], one);
  });
  return Object.fromEntries(
    claimsOf(one, rows).map(({ contender, claim, holds }) => [`${contender}: ${claim}`, holds]),
  );
}

test("on the loads that must be won, tokens is compared with the better EPP; on the others with the best contender", () => {
  const waits = { "round-robin": 90, epp: 120, "epp-optimized": 100, load: 500 };
  assert.deepEqual(claimed(load("shared"), { ...waits, tokens: 85 }), {
    "tokens: p90 at most 0.85 of the better EPP": true,
    "tokens: p99 at most 3 of the best contender": true,
  });
  assert.deepEqual(claimed(load("shared"), { ...waits, tokens: 271 }), {
    "tokens: p90 at most 0.85 of the better EPP": false,
    "tokens: p99 at most 3 of the best contender": false,
  });
  const best = "tokens: p90 at most 1.03 of the best contender";
  assert.equal(claimed(load("fitting"), { ...waits, tokens: 92 })[best], true);
  assert.equal(claimed(load("fitting"), { ...waits, tokens: 94 })[best], false);
});

test("over Dynamo's engines its router is an opponent", () => {
  const limit = "tokens: p90 at most 0.95 of Dynamo";
  assert.equal(claimed(load("mixed"), { dynamo: 100, tokens: 95 })[limit], true);
  assert.equal(claimed(load("mixed"), { dynamo: 100, tokens: 96 })[limit], false);
});

test("Dynamo's router is skipped over simulated pods, because it reaches only its own engines", async () => {
  const dynamo = CONTENDERS.find(({ name }) => name === "dynamo");
  assert.ok(dynamo);
  assert.match((await missing(dynamo, false)) ?? "", /^skipped: dynamo \(.*--pods mocker\)$/);
  const told = CONTENDERS.find(({ costs }) => costs === "true");
  assert.ok(told);
  assert.match((await missing(told, true)) ?? "", /^skipped: tokens-true/);
  assert.equal(await missing(told, false), undefined);
});

test("a contender whose peer is not cached is skipped by name", async () => {
  const cache = process.env.PILOTFISH_CACHE;
  process.env.PILOTFISH_CACHE = join(tmpdir(), "pilotfish-no-such-cache");
  try {
    for (const [name, peer] of [
      ["epp-optimized", "epp-mended"],
      ["litellm", "litellm"],
    ] as const) {
      const contender = CONTENDERS.find((one) => one.name === name);
      assert.ok(contender);
      assert.equal(
        await missing(contender, false),
        `skipped: ${name} (not in the cache; make peers ARGS="${peer}" puts it there)`,
      );
    }
    const tokens = CONTENDERS.find(({ name }) => name === "tokens");
    assert.ok(tokens);
    assert.equal(await missing(tokens, false), undefined);
    assert.match((await missing(tokens, true)) ?? "", /make peers ARGS="dynamo"/);
  } finally {
    if (cache === undefined) delete process.env.PILOTFISH_CACHE;
    else process.env.PILOTFISH_CACHE = cache;
  }
});

test("the sum of a metric leaves out metrics whose names only begin alike", () => {
  const page = '# HELP a b\na_sum{x="1"} 2\na_sum{x="2"} 3\na_sum_b 7\na_sum 0.5\n';
  assert.equal(total(page, "a_sum"), 5.5);
  assert.equal(total(page, "absent"), 0);
});

test("what is learned is compared with the same rule that is told the truth, which is no opponent", () => {
  const waits = { smg: 100, "tokens-true": 80, "tokens-untold": 10 };
  const limit = "tokens: p90 at most 1.05 of the same rule with the true costs";
  assert.deepEqual(claimed(load("fitting"), { ...waits, tokens: 84 }), {
    "tokens: p90 at most 1.03 of the best contender": true,
    "tokens: p99 at most 3 of the best contender": true,
    [limit]: true,
  });
  assert.equal(claimed(load("fitting"), { ...waits, tokens: 85 })[limit], false);
});

test("the truth is pinned as the sidecar's configuration has it; of unequal pods only what is equal", () => {
  const { params, promptTokens } = requestsOf({ ...load("slow"), seconds: 5, params: { tokenBytes: 3 } }, 1);
  assert.equal(learnConfig(undefined, params, promptTokens), undefined);
  const read = (learn: unknown) => parseConfig({ endpoints: ["http://127.0.0.1:1"], push: PUSH, learn }, {}).learn;
  assert.equal(read(learnConfig("untold", params, promptTokens)).enabled, false);
  const cacheTokens = 16_384 * 16;
  const equal = read(learnConfig("true", params.slice(1), promptTokens)).pins[0];
  assert.deepEqual([equal?.bytesPerToken, equal?.cacheTokens, equal?.stepMs], [3, cacheTokens, 10]);
  const rate = equal?.prefillRate ?? 0;
  assert.ok(rate > 15_000 && rate < 25_000, `${rate}`);
  const unequal = read(learnConfig("true", params, promptTokens)).pins[0];
  assert.deepEqual(unequal, { models: [], pools: [], bytesPerToken: 3, cacheTokens });
});

test("in overload output, hits and p90 are compared with the better EPP of each, with and without the hold queue", () => {
  const one = { ...load("shared"), name: "overload-130", kind: "overload-130" };
  const waits = { smg: 10, epp: 120, "epp-optimized": 120, homes: 100, tokens: 100, "tokens-hold": 101 };
  const hits = { epp: 50, homes: 10, "epp-optimized": 60, tokens: 59, "tokens-hold": 58 };
  assert.deepEqual(claimed(one, waits, hits), {
    "tokens: outputPerSecond at least 0.98 of the better of fixed homes and EPP": true,
    "tokens: hitRate at least 0.97 of the better of fixed homes and EPP": true,
    "tokens: p90 at most 1 of the better of fixed homes and EPP": true,
    "tokens-hold: outputPerSecond at least 0.98 of the better of fixed homes and EPP": true,
    "tokens-hold: hitRate at least 0.97 of the better of fixed homes and EPP": false,
    "tokens-hold: p90 at most 1 of the better of fixed homes and EPP": false,
  });
});

test("after an overload the p90 is compared with the p90 before it, by the times at which requests were due", () => {
  const one = { ...load("shared"), name: "overload-return", kind: "overload-return" };
  const spans = [
    { name: "before", from: 0, to: 100 },
    { name: "overload", from: 100, to: 200 },
    { name: "after 20 s", from: 200, to: 300 },
  ];
  const after = (wait: number) => {
    const all = [sent(99, 100), sent(100, 900), sent(250, wait), sent(260, 7, { status: 503 }), sent(300, 5)];
    return rowOf("tokens", [{ ...seen("tokens", all), warmMs: 0, spans }], one);
  };
  assert.deepEqual(after(110).spans, {
    before: { median: 100, low: 100, high: 100 },
    overload: { median: 900, low: 900, high: 900 },
    "after 20 s": { median: 110, low: 110, high: 110 },
  });
  const none = [{ name: "after 40 s", from: 400, to: 500 }];
  const empty = rowOf("tokens", [{ ...seen("tokens", [sent(200, 1)]), spans: none }], one);
  assert.equal(empty.spans["after 40 s"]?.median, Number.NaN);
  const made = (wait: number) => claimsOf(one, [after(wait)]).map(({ claim, holds }) => [claim, holds]);
  assert.deepEqual(made(110), [["p90 20 s after the overload at most 1.1 of before", true]]);
  assert.deepEqual(made(111), [["p90 20 s after the overload at most 1.1 of before", false]]);
});

test("fixed homes: requests with one beginning have one pod, and beginnings get their pods in turn", () => {
  const homeOf = fixedHomes(2);
  const beginning = (key: number) => ({ blocks: Float64Array.from({ length: 61 }, (_, i) => (i === 60 ? key : i)) });
  assert.deepEqual(
    [1, 2, 3, 1, 2].map((key) => homeOf(beginning(key))),
    [0, 1, 0, 0, 1],
  );
  const contender = CONTENDERS.find(({ homes }) => homes);
  assert.ok(contender);
  const needs = { models: ["m"], endpoints: ["127.0.0.1:1"], wasmFile: "none", secret: "", peerPort: undefined };
  const config = envoyConfig({ ...envoyOf(contender, needs), port: 0, adminPort: 0 } as Parameters<
    typeof envoyConfig
  >[0]);
  assert.ok(JSON.stringify(config).includes('"http_header_name":"x-gateway-destination-endpoint"'));
});

test("without an opponent no claim is made", () => {
  assert.deepEqual(claimed(load("shared"), { tokens: 1, load: 1 }), {});
});

test("the CPU of a contender is that of its Envoys and its peer, without client and pods", () => {
  const cores = { client: 1, pods: 2, Envoy: 0.25, epp: 0.5 };
  assert.equal(servingCores(rowOf("epp", [{ ...seen("epp", [sent(200, 1)]), cores }], load("shared"))), 0.75);
});

test("a repetition on a busy machine is marked", () => {
  const busy = (machine: Seen["machine"]) => ({ ...seen("tokens", [sent(200, 1)]), machine });
  const quiet = busy({ busy: 0.8, foreign: 0.2 });
  const row = rowOf(
    "tokens",
    [quiet, busy({ busy: 0.9, foreign: 0 }), busy({ busy: 0.1, foreign: 0.4 })],
    load("shared"),
  );
  assert.equal(disturbed(row), 2);
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

const OPTIONS: RoutingOptions = {
  loads: ["shared", "bursts-1s"],
  contenders: [],
  repetitions: 1,
  lanes: 1,
  retries: 0,
  concurrency: 2,
  restartEvery: 60,
  tokenBytes: 4,
  pods: "simulated",
  seed: 1,
  wasm: "",
  output: "",
};

test("options change every load; the rate of bursts follows no hardware", () => {
  const [shared, bursts] = chosenLoads({ ...OPTIONS, envoys: 2, seconds: 7, tokenBytes: 2, hardware: ["l4-8b"] });
  assert.ok(shared && bursts);
  for (const one of [shared, bursts])
    assert.deepEqual([one.envoys, one.seconds, one.params], [2, 7, { tokenBytes: 2 }]);
  assert.equal(requestsOf(bursts, 1).perSecond, requestsOf({ ...load("bursts-1s"), seconds: 7 }, 1).perSecond);
  assert.deepEqual(shared.hardware, ["l4-8b"]);
  assert.equal(chosenLoads({ ...OPTIONS, rate: 3 })[0]?.rate, 3);
  assert.equal(chosenLoads(OPTIONS)[0]?.rate, undefined);
});

test("Dynamo's engines get half the rate, and prompts with as many tokens as usual", () => {
  const one = chosenLoads({ ...OPTIONS, pods: "mocker", seconds: 20 })[0];
  assert.ok(one?.mocker);
  const made = requestsOf(one, 1);
  const usual = requestsOf({ ...load("shared"), seconds: 20 }, 1);
  assert.ok(Math.abs(made.perSecond / usual.perSecond - 0.5) < 0.1, `${made.perSecond}`);
  assert.ok(Math.abs(made.promptTokens / usual.promptTokens - 1) < 0.1, `${made.promptTokens}`);
});

test("other hardware gets the same number of requests, at the rate that it carries", () => {
  const one = { ...load("shared"), seconds: 10 };
  const assumed = requestsOf(one, 1);
  const slow = requestsOf({ ...one, hardware: ["l4-8b"] }, 1);
  assert.equal(slow.requests.length, assumed.requests.length);
  assert.ok(slow.perSecond < assumed.perSecond / 3, `${slow.perSecond} of ${assumed.perSecond} requests a second`);
  assert.ok((slow.params[0]?.stepBaseMs ?? 0) > (assumed.params[0]?.stepBaseMs ?? 0));
  assert.equal(requestsOf({ ...one, params: { tokenBytes: 2 } }, 1).params[0]?.tokenBytes, 2);
});

test("EPP's Envoy has no other way to a pod than the header that EPP sets", () => {
  const epp = CONTENDERS.find((one) => one.picker);
  assert.ok(epp);
  const needs = { models: ["m"], endpoints: ["127.0.0.1:1"], wasmFile: "none", secret: "s".repeat(16), peerPort: 2 };
  const { wasm: _wasm, ...config } = envoyOf(epp, needs);
  const text = JSON.stringify(envoyConfig({ ...config, port: 0, adminPort: 0 } as Parameters<typeof envoyConfig>[0]));
  assert.ok(text.includes("ORIGINAL_DST") && !text.includes("override_host") && !text.includes("least_request"), text);
});
