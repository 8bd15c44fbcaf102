// A snapshot has pools, objectives and rules from the cluster's objects, and the models of pools that are scaled to zero.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { decodeSnapshot } from "../../../protocol/decode.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import { followedPools } from "../../../sidecar/discover/selection.ts";
import { Health } from "../../../sidecar/health.ts";
import { type ClusterObject, type ClusterSeen, viewOf } from "../../../sidecar/kubernetes/cluster-objects.ts";
import { translate } from "../../../sidecar/kubernetes/translate/index.ts";
import type { Pod } from "../../../sidecar/pod.ts";
import { buildSnapshot } from "../../../sidecar/snapshot/build.ts";
import { ModelMemory } from "../../../sidecar/snapshot/memory.ts";
import { objectsOf } from "../../../sidecar/snapshot/objects.ts";
import { pool } from "../../../testkit/kubernetes/objects.ts";
import { startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { modelList, startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

const ALPHA = "inference.networking.x-k8s.io/v1alpha2";
const of = (kind: string, name: string, spec: object, metadata: object = {}) => ({
  apiVersion: ALPHA,
  kind,
  metadata: { name, namespace: "default", ...metadata },
  spec,
});
const objective = (name: string, priority: number | undefined, pool: string) =>
  of("InferenceObjective", name, { priority, poolRef: { name: pool } });
const rewrite = (name: string, created: string, rules: object[], pool: string | null = "p") =>
  of(
    "InferenceModelRewrite",
    name,
    { ...(pool && { poolRef: { name: pool } }), rules },
    { creationTimestamp: created },
  );
const matching = (models: string[], targets: Array<[string, number?]>) => ({
  matches: models.map((value) => ({ model: { type: "Exact", value } })),
  targets: targets.map(([modelRewrite, weight]) => ({ modelRewrite, weight })),
});
const model = (modelName: string, more: object = {}) =>
  of("InferenceModel", modelName.replaceAll("/", "-"), { modelName, poolRef: { name: "p" }, ...more });

function seen(manifests: object[], pools: Array<{ name: string }> = []): ClusterSeen[] {
  const objects = manifests.map((manifest): ClusterObject => {
    const translated = translate(manifest);
    assert.ok("object" in translated, JSON.stringify(translated));
    return translated.object;
  });
  const view = viewOf(objects);
  const followed = followedPools(view.pools, { pools, services: "all", engine: "vllm" });
  return [{ source: "test", followed, ...view, problems: [], watches: [] }];
}

const objectsIn = (...manifests: object[]) => {
  const objects = objectsOf(seen(manifests));
  assert.ok(objects);
  return objects;
};

test("without a cluster and manifests a snapshot has no pools", () => {
  assert.equal(objectsOf([]), undefined);
});

test("objectives keep priority and pool; objectives of other pools are left out", () => {
  const manifests = [
    pool("p", "x", 80),
    pool("q", "y", 80),
    objective("food-review", 10, "p"),
    objective("batch", -1, "q"),
    objective("plain", undefined, "p"),
  ];
  assert.deepEqual(objectsIn(...manifests).objectives, [
    { name: "batch", priority: -1, pool: "default/q" },
    { name: "food-review", priority: 10, pool: "default/p" },
    { name: "plain", priority: 0, pool: "default/p" },
  ]);
  const onlyP = objectsOf(seen(manifests, [{ name: "p" }]));
  assert.deepEqual(
    [onlyP?.pools, onlyP?.objectives.map(({ name }) => name)],
    [["default/p"], ["food-review", "plain"]],
  );
});

test("rewrites for one name and for any name both count; for the same name the oldest rewrite wins", () => {
  const { rules } = objectsIn(
    pool("p", "x", 80),
    rewrite("young", "2026-02-01T00:00:00Z", [matching(["chat"], [["new"]]), matching([], [["young-any"]])]),
    rewrite("old", "2026-01-01T00:00:00Z", [
      matching(
        ["chat", "talk"],
        [
          ["a", 9],
          ["b", 1],
        ],
      ),
      matching(["chat"], [["never"]]),
    ]),
  );
  assert.deepEqual(
    rules.map(({ model: name, targets }) => [name, targets]),
    [
      [
        "chat",
        [
          { model: "a", weight: 9 },
          { model: "b", weight: 1 },
        ],
      ],
      [
        "talk",
        [
          { model: "a", weight: 9 },
          { model: "b", weight: 1 },
        ],
      ],
      [null, [{ model: "young-any", weight: 1 }]],
    ],
  );
  assert.ok(rules.every((rule) => rule.pool === "default/p" && rule.priority === null));
});

test("an InferenceModel becomes a rule with its targets, and its criticality a priority", () => {
  const { rules } = objectsIn(
    pool("p", "x", 80),
    model("review", {
      criticality: "Standard",
      targetModels: [
        { name: "review-1", weight: 3 },
        { name: "review-2", weight: 0 },
      ],
    }),
    model("chat", { criticality: "Critical" }),
    model("batch", { criticality: "Sheddable", targetModels: [{ name: "small" }] }),
    model("quiet"),
  );
  const found = new Map(rules.map((rule) => [rule.model, rule]));
  const shown = (name: string) => [
    found.get(name)?.priority,
    found.get(name)?.targets.map((t) => `${t.model} ${t.weight}`),
  ];
  assert.deepEqual(shown("review"), [1, ["review-1 3", "review-2 0"]]);
  assert.deepEqual(shown("chat"), [2, ["chat 1"]]);
  assert.deepEqual(shown("batch"), [-1, ["small 1"]]);
  assert.deepEqual(shown("quiet"), [null, ["quiet 1"]]);
});

test("for one name a rewrite gives the targets, and the InferenceModel gives the priority", () => {
  const { rules } = objectsIn(
    pool("p", "x", 80),
    model("chat", { criticality: "Sheddable", targetModels: [{ name: "by-model" }] }),
    rewrite("r", "2026-01-01T00:00:00Z", [matching(["chat"], [["by-rewrite"]])]),
  );
  assert.deepEqual(rules, [
    { model: "chat", pool: "default/p", priority: -1, targets: [{ model: "by-rewrite", weight: 1 }] },
  ]);
});

function podOf(address: string, models: Pod["models"], pools: string[]): Pod {
  const health = new Health(3);
  health.scraped();
  health.modelsRead();
  const cluster = { ready: true, draining: false, asleep: false, of: pools.map((name) => `InferencePool ${name}`) };
  return {
    address,
    origin: `http://${address}`,
    engine: "vllm",
    health,
    reading: null,
    scrapedAt: null,
    models,
    cluster,
  };
}
const base = (name: string) => ({ name, parent: null });
const A = "10.0.0.1:80";
const B = "10.0.0.2:80";

const built = (pods: Pod[], manifests: object[], memory = new ModelMemory()) => {
  const { view } = buildSnapshot(
    pods,
    {},
    { version: 5n, source: 6n, now: 0 },
    { objects: objectsIn(...manifests), memory },
  );
  return decodeSnapshot(encodeSnapshot(view));
};

test("endpoints name their pool; a model names the pool of all its endpoints", () => {
  const view = built(
    [podOf(A, [base("llama"), base("both")], ["default/p"]), podOf(B, [base("both")], ["default/q", "default/p"])],
    [pool("p", "x", 80), pool("q", "y", 80)],
  );
  assert.deepEqual(view.pools, [{ name: "default/p" }, { name: "default/q" }]);
  assert.deepEqual(
    view.endpoints.map(({ address, pool: name }) => [address, name]),
    [
      [A, "default/p"],
      [B, "default/q"],
    ],
  );
  assert.deepEqual(
    view.models.map(({ name, pool: its }) => [name, its]),
    [
      ["both", undefined],
      ["llama", "default/p"],
    ],
  );
});

test("a pool without pods keeps its last models and the models that objects declare", () => {
  const memory = new ModelMemory();
  const manifests = [
    pool("p", "x", 80),
    model("review", { targetModels: [{ name: "review-1" }] }),
    rewrite("r", "2026-01-01T00:00:00Z", [matching(["chat"], [["llama"]])]),
  ];
  const shown = (pods: Pod[], objects = manifests) =>
    built(pods, objects, memory).models.map((m) => `${m.name} ${m.kind} ${m.base} ${m.pool} ${m.endpoints.length}`);
  const llama = base("llama");
  const sql = { name: "sql", parent: "llama" };
  // No pod has listed a model yet: only declared models are known.
  assert.deepEqual(shown([]), ["llama base llama default/p 0", "review-1 base review-1 default/p 0"]);
  assert.deepEqual(shown([podOf(A, [llama, sql], ["default/p"])]), [
    "llama base llama default/p 1",
    "sql adapter llama default/p 1",
  ]);
  const gone = ["llama base llama default/p 0", "review-1 base review-1 default/p 0", "sql adapter llama default/p 0"];
  assert.deepEqual(shown([]), gone);
  // A new pod without a model list changes nothing.
  assert.deepEqual(shown([podOf(B, [], ["default/p"])]), gone);
  assert.deepEqual(shown([podOf(B, [llama], ["default/p"])]), ["llama base llama default/p 1"]);
  assert.deepEqual(shown([], [pool("q", "y", 80)]), [], "a pool that is deleted takes its models along");
  assert.deepEqual(shown([], [pool("p", "x", 80)]), []);
});

test("the body-based router's ConfigMaps name an adapter's base model if pods do not", () => {
  const maps = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "m", labels: { "inference.networking.k8s.io/bbr-managed": "true" } },
    data: { baseModel: "llama", adapters: "- sql\n- unlisted\n" },
  };
  const view = built([podOf(A, [base("llama"), base("sql")], [])], [maps]);
  assert.deepEqual(
    view.models.map(({ name, kind, base: its }) => [name, kind, its]),
    [
      ["llama", "base", "llama"],
      ["sql", "adapter", "llama"],
    ],
  );
});

test("a changed objective is pushed without a changed pod; a pool without pods keeps its models", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "pilotfish-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const write = (name: string, object: object) => writeFileSync(join(directory, name), stringify(object));
  const served = await startPod();
  t.after(() => served.close());
  served.models = modelList("llama");
  const [ip, port] = served.address.split(":") as [string, string];
  write("pool.yaml", pool("p", "x", Number(port)));
  write("pod.yaml", {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a", namespace: "default", labels: { app: "x" } },
    status: { phase: "Running", podIP: ip, conditions: [{ type: "Ready", status: "True" }] },
  });
  write("objective.yaml", objective("food-review", 10, "p"));
  const filter = await startFilter();
  t.after(() => filter.close());
  await quickSidecar(t, { targets: [filter.url], more: { manifests: { directory } } });
  const priority = () => filter.stored?.objectives?.[0]?.priority;
  await until("the objective to be pushed", () => priority() === 10 && filter.stored?.models.length === 1);
  write("objective.yaml", objective("food-review", 11, "p"));
  await until("the changed objective to be pushed", () => priority() === 11);
  unlinkSync(join(directory, "pod.yaml"));
  await until("the pod to be gone", () => filter.stored?.endpoints.length === 0);
  assert.deepEqual(filter.stored?.models, [
    { name: "llama", kind: "base", base: "llama", endpoints: [], pool: "default/p" },
  ]);
});
