// The autoscaler examples use only metrics and fields that the sidecar has.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { filterMetrics } from "../../schemas/generate/metrics.ts";
import { METRICS } from "../../sidecar/metric-list.ts";
import { poolLoads } from "../../sidecar/pools.ts";

// biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds
const documents = (name: string): any[] =>
  parseAllDocuments(readFileSync(new URL(`../../sidecar/deploy/autoscaling/${name}`, import.meta.url), "utf8")).map(
    (document) => {
      assert.deepEqual(document.errors, []);
      return document.toJS();
    },
  );

const pool = poolLoads([], [{ pools: [{ namespace: "a", name: "b" }] } as never], [], {
  now: 0,
  scrapeIntervalMs: 100,
})[0];

test("KEDA's triggers use fields of /pools/NAMESPACE/NAME and metrics of the sidecar", async () => {
  const names = new Set<string>(Object.values(METRICS).map(({ name }) => name));
  const triggers = documents("keda.yaml").flatMap(({ spec }) => spec.triggers);
  assert.equal(triggers.length, 4);
  const filters = filterMetrics().map(([name]) => name?.replaceAll("`", ""));
  for (const { type, metadata } of triggers) {
    if (type === "metrics-api") {
      assert.ok(metadata.valueLocation in (pool as object), metadata.valueLocation);
      assert.match(metadata.url, /\/pools\/llm-serving\/llama$/);
    } else {
      const [, metric = "", labels = ""] = /\((\w+)(?:\{(.*)\})?\)/.exec(metadata.query) ?? [];
      if (filters.includes(metric)) continue;
      assert.ok(names.has(metric), metric);
      assert.deepEqual(
        labels.split(",").map((label) => label.split("=")[0]),
        ["kind", "namespace", "pool"],
      );
    }
  }
});

test("the Prometheus adapter's rule and the HorizontalPodAutoscaler use metrics of the sidecar", async () => {
  const names = Object.values(METRICS).map(({ name }) => name as string);
  const [values, autoscaler] = documents("hpa.yaml");
  const pattern = /__name__=~"([^"]+)"/.exec(values.rules.external[0].seriesQuery)?.[1] ?? "";
  const found = names.filter((name) => new RegExp(`^(?:${pattern})$`).test(name));
  assert.deepEqual(found.sort(), [
    "pilotfish_pool_kv_usage",
    "pilotfish_pool_running",
    "pilotfish_pool_saturation",
    "pilotfish_pool_waiting",
  ]);
  for (const { external } of autoscaler.spec.metrics) {
    assert.ok(found.includes(external.metric.name), external.metric.name);
    assert.deepEqual(Object.keys(external.metric.selector.matchLabels), ["pool"]);
  }
});
