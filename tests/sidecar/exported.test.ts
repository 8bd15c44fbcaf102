// The metrics that AutoscalingMetrics export.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ENGINES } from "../../sidecar/engines/index.ts";
import { exportedMetrics } from "../../sidecar/exported.ts";
import { type ClusterSeen, viewOf } from "../../sidecar/kubernetes/cluster-objects.ts";
import { translate } from "../../sidecar/kubernetes/translate/index.ts";
import type { Pod } from "../../sidecar/pod.ts";
import { poolLoads } from "../../sidecar/pools.ts";

function seen(...manifests: object[]): ClusterSeen {
  const objects = manifests.map((manifest) => {
    const made = translate(manifest);
    assert.ok("object" in made, JSON.stringify(made));
    return made.object;
  });
  return { source: "test", ...viewOf(objects), problems: [], followed: [], watches: [] };
}

const podManifest = (name: string, ip: string, app: string, namespace = "llm") => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace, labels: { app } },
  status: { podIP: ip, phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
});

const autoscalingMetric = {
  apiVersion: "autoscaling.gke.io/v1beta1",
  kind: "AutoscalingMetric",
  metadata: { name: "gpu-cache", namespace: "llm" },
  spec: {
    selector: { matchLabels: { app: "vllm" } },
    endpoints: [
      {
        port: 8000,
        path: "/metrics",
        metrics: [
          { name: "vllm:kv_cache_usage_perc", exportName: "kv-cache" },
          { name: "vllm:num_requests_waiting" },
          { name: "vllm:something_else", exportName: "other" },
        ],
      },
    ],
  },
};

function pod(address: string, waiting: number, kvUsage: number): Pod {
  const reading = { engine: "vllm", waiting, running: 0, kvUsage, asleep: false, kvBlocks: 1, blockTokens: 16 };
  return {
    address,
    origin: `http://${address}`,
    engine: "auto",
    health: { ready: true } as Pod["health"],
    reading: { ...reading, offloadGiB: null, cacheBytes: null, counters: {}, adapters: null, samples: 3, malformed: 0 },
    scrapedAt: 0,
    models: [],
  };
}

test("an AutoscalingMetric exports readings of the selected pods, under its export names", () => {
  const cluster = seen(
    podManifest("a", "10.0.0.1", "vllm"),
    podManifest("b", "10.0.0.2", "vllm"),
    podManifest("c", "10.0.0.3", "other"),
    podManifest("d", "10.0.0.4", "vllm", "elsewhere"),
    autoscalingMetric,
  );
  const pods = [1, 2, 3, 4].map((n) => pod(`10.0.0.${n}:8000`, n, n / 10));
  const exported = exportedMetrics(pods, [cluster], ENGINES);
  assert.deepEqual(
    exported.map(({ name, endpoint, value }) => [name, endpoint, value]),
    [
      ["kv-cache", "10.0.0.1:8000", 0.1],
      ["kv-cache", "10.0.0.2:8000", 0.2],
      ["vllm:num_requests_waiting", "10.0.0.1:8000", 1],
      ["vllm:num_requests_waiting", "10.0.0.2:8000", 2],
    ],
  );
  for (const each of exported) assert.deepEqual([each.namespace, each.object], ["llm", "gpu-cache"]);
  const [pool] = poolLoads(pods, [], exported, { now: 0, scrapeIntervalMs: 100 });
  assert.equal(pool?.exported["kv-cache"]?.toFixed(3), "0.150");
  assert.equal(pool?.exported["vllm:num_requests_waiting"], 1.5);
});

test("a pod without a reading exports nothing", () => {
  const cluster = seen(podManifest("a", "10.0.0.1", "vllm"), autoscalingMetric);
  assert.deepEqual(exportedMetrics([{ ...pod("10.0.0.1:8000", 1, 0), reading: null }], [cluster], ENGINES), []);
});
