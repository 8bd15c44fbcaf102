// The load of pools: how it follows from the readings of pods, and how it is shown.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterSeen } from "../../../sidecar/kubernetes/cluster-objects.ts";
import type { Pod } from "../../../sidecar/pod.ts";
import { poolLoads } from "../../../sidecar/pools.ts";
import { startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { gauges, startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

const AT = { now: 10_000, scrapeIntervalMs: 100 };

interface Given {
  of?: string[];
  waiting?: number | null;
  running?: number;
  kvUsage?: number | null;
  age?: number;
  ready?: boolean;
  draining?: boolean;
  blocks?: number;
}

function pod({
  of,
  waiting = 0,
  running = 0,
  kvUsage = 0,
  age = 50,
  ready = true,
  draining = false,
  blocks,
}: Given): Pod {
  return {
    address: "127.0.0.1:1",
    origin: "http://127.0.0.1:1",
    engine: "vllm",
    health: { ready } as Pod["health"],
    reading: {
      engine: null,
      waiting,
      running,
      kvUsage,
      asleep: false,
      kvBlocks: blocks ?? null,
      blockTokens: blocks === undefined ? null : 16,
      adapters: null,
      samples: 3,
      offloadGiB: null,
      cacheBytes: null,
      counters: {},
      malformed: 0,
    },
    scrapedAt: AT.now - age,
    models: [],
    ...(of !== undefined && { cluster: { ready: true, draining, asleep: false, of } }),
  };
}

test("a pool's numbers are sums over its pods and means over its ready pods", () => {
  const pods = [
    pod({ waiting: 2, running: 3, kvUsage: 0.4, blocks: 100, age: 20 }),
    pod({ waiting: 4, running: 1, kvUsage: 0.2, blocks: 50, age: 70 }),
    pod({ waiting: 9, running: 1, kvUsage: 1, ready: false, age: 5000 }),
  ];
  const [pool] = poolLoads(pods, [], [], AT);
  assert.deepEqual(
    { ...pool, kvUsage: pool?.kvUsage?.toFixed(3), saturation: pool?.saturation.toFixed(3) },
    {
      kind: "static",
      namespace: "",
      name: "static",
      endpoints: 3,
      ready: 2,
      waiting: 15,
      running: 5,
      kvUsage: "0.300",
      cacheTokens: 2400,
      // (max(2/5, 0.4/0.8) + max(4/5, 0.2/0.8)) / 2
      saturation: "0.650",
      ageMs: 70,
      exported: {},
    },
  );
});

test("a pod with an old reading or a missing signal counts as full, and so does a pool without ready pods", () => {
  const saturation = (...pods: Pod[]) => poolLoads(pods, [], [], AT)[0]?.saturation;
  assert.equal(saturation(pod({}), pod({ age: 251 })), 0.5);
  assert.equal(saturation(pod({}), pod({ age: 250 })), 0);
  assert.equal(saturation(pod({ waiting: null })), 1);
  assert.equal(saturation(pod({ kvUsage: null })), 1);
  assert.equal(saturation(pod({ ready: false })), 1);
  assert.equal(saturation(pod({ of: ["InferencePool a/b"], draining: true })), 1);
  const slow = poolLoads([pod({ age: 2000 })], [], [], { now: AT.now, scrapeIntervalMs: 1000 });
  assert.equal(slow[0]?.saturation, 0, "scrapes every second are not stale after 200 ms");
  assert.equal(saturation({ ...pod({ age: 2500 }), paceMs: 1000 }), 0, "the pod's own pace counts");
  assert.equal(saturation({ ...pod({ age: 2501 }), paceMs: 1000 }), 1);
});

test("a pod counts for each of its pools; a pool without pods is listed", () => {
  const pools = ["a", "empty"].map((name) => ({ namespace: "ns", name }));
  const seen = [{ pools } as unknown as ClusterSeen];
  const loads = poolLoads([pod({ of: ["InferencePool ns/a", "Service ns/a-svc"], waiting: 3 })], seen, [], AT);
  assert.deepEqual(
    loads.map(({ kind, namespace, name, endpoints, waiting }) => [kind, namespace, name, endpoints, waiting]),
    [
      ["InferencePool", "ns", "a", 1, 3],
      ["InferencePool", "ns", "empty", 0, 0],
      ["Service", "ns", "a-svc", 1, 3],
    ],
  );
});

test("/pools and /pools/static show the load as JSON, /metrics as Prometheus text", async (t) => {
  const server = await startPod();
  const filter = await startFilter();
  for (const each of [server, filter]) t.after(() => each.close());
  server.metrics = gauges(4, 2, 0.25);
  const sidecar = await quickSidecar(t, { endpoints: [server.url], targets: [filter.url] });
  await until("a push", () => filter.stored);
  const get = async (path: string) => fetch(sidecar.url + path);
  const { pools } = (await (await get("/pools")).json()) as { pools: object[] };
  assert.equal(pools.length, 1);
  // On a stalled machine the reading may be old for a moment, and the pool then counts as full.
  const young = { waiting: 4, running: 2, kvUsage: 0.25, ready: 1, saturation: 0.8 };
  await until("a young reading", async () => {
    const one = (await (await get("/pools/static")).json()) as Record<string, unknown>;
    return Object.entries(young).every(([key, value]) => one[key] === value);
  });
  const text = await until("the same in the metrics", async () => {
    const all = await (await get("/metrics")).text();
    return /^pilotfish_pool_saturation\{kind="static",namespace="",pool="static"\} 0\.8$/m.test(all) && all;
  });
  assert.match(text, /^pilotfish_pool_waiting\{kind="static",namespace="",pool="static"\} 4$/m);
  assert.ok(!/^inference_pool_ready_pods\{/m.test(text), "what is no InferencePool has none of its names");
  const missing = await get("/pools/other/pool");
  assert.equal(missing.status, 404);
  assert.match(await missing.text(), /"code":"pool_not_found"/);
});
