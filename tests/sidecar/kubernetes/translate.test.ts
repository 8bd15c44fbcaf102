// The translation of Kubernetes objects, and the selection of pods from them.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Selection, selectPods } from "../../../sidecar/discover/selection.ts";
import { type ClusterObject, viewOf } from "../../../sidecar/kubernetes/cluster-objects.ts";
import { translate } from "../../../sidecar/kubernetes/translate/index.ts";
import { pod, pool, slice } from "../../../testkit/kubernetes/objects.ts";

const ALPHA = "inference.networking.x-k8s.io";
const ALL: Selection = { pools: [], services: "all", engine: "vllm" };

function object(input: unknown): ClusterObject {
  const translated = translate(input);
  assert.ok("object" in translated, JSON.stringify(translated));
  return translated.object;
}

function problems(input: unknown): string[] {
  const translated = translate(input);
  assert.ok("problems" in translated, JSON.stringify(translated));
  return translated.problems;
}

const made = (apiVersion: string, kind: string, spec: unknown, metadata: object = {}) => {
  return { apiVersion, kind, metadata: { name: "n", namespace: "ns", ...metadata }, spec };
};
const found = (selection: Selection, ...inputs: unknown[]) => selectPods(viewOf(inputs.map(object)), selection);
const addresses = (selection: Selection, ...inputs: unknown[]) =>
  found(selection, ...inputs).pods.map(({ address }) => address);

test("the three API versions of a pool become the same object", () => {
  const annotations = { "inference.networking.x-k8s.io/attach-to": "gateway/listener" };
  const ref = { name: "picker", failureMode: "FailOpen" };
  const v1 = {
    selector: { matchLabels: { app: "a" } },
    targetPorts: [{ number: 80 }, { number: 80 }],
    endpointPickerRef: ref,
  };
  const alpha = { selector: { app: "a" }, targetPortNumber: 80, extensionRef: ref };
  const common = { kind: "pool", namespace: "ns", name: "n", attachTo: "gateway/listener", failOpen: true };
  const expected = { ...common, selector: { app: "a" }, targetPorts: [80] };
  const meta = { annotations };
  assert.deepEqual(object(made("inference.networking.k8s.io/v1", "InferencePool", v1, meta)), {
    ...expected,
    version: "v1",
  });
  for (const version of ["v1alpha1", "v1alpha2"]) {
    assert.deepEqual(object(made(`${ALPHA}/${version}`, "InferencePool", alpha, meta)), { ...expected, version });
  }
});

test("a condition makes a pod ready, a deletion time draining, a label asleep; a pod has one address", () => {
  const labels = {
    app: "a",
    "inference.networking.k8s.io/engine-type": "sglang",
    "dual-pods.llm-d.ai/sleeping": "true",
  };
  const annotations = { "inference.networking.k8s.io/active-ports": "8001, x,0" };
  const metadata = { name: "n", namespace: "ns", labels, annotations, deletionTimestamp: "2026-01-01T00:00:00Z" };
  const conditions = [
    { type: "Initialized", status: "True" },
    { type: "Ready", status: "True" },
  ];
  const status = { phase: "Running", podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }, { ip: "fd00::1" }], conditions };
  const expected = { kind: "pod", namespace: "ns", name: "n", labels, ip: "10.0.0.1", ready: true, terminating: true };
  assert.deepEqual(object({ apiVersion: "v1", kind: "Pod", metadata, status }), {
    ...expected,
    asleep: true,
    engine: "sglang",
    activePorts: [8001],
  });
  const bare = { apiVersion: "v1", kind: "Pod", metadata: { name: "n" } };
  const ip = (input: object) => (object({ ...bare, ...input }) as { ip: string | null }).ip;
  assert.equal(ip({}), null);
  assert.equal(ip({ status: { podIP: "" } }), null);
  assert.equal(ip({ status: { podIPs: [{ ip: "fd00::1" }] } }), "fd00::1");
  assert.equal(ip({ status: { podIP: "10.0.0.1", phase: "Succeeded" } }), null);
  assert.equal((object({ ...bare, status: { podIP: "10.0.0.1" } }) as { ready: boolean }).ready, false);
});

test("objectives, models, rewrites and adapter maps are read as the extension defines them", () => {
  const poolRef = { name: "p" };
  const named = { namespace: "ns", name: "n" };
  const alpha2 = `${ALPHA}/v1alpha2`;
  assert.deepEqual(object(made(alpha2, "InferenceObjective", { poolRef })), {
    kind: "objective",
    ...named,
    pool: "p",
    priority: 0,
  });
  const model = {
    modelName: "m",
    criticality: "Sheddable",
    poolRef,
    targetModels: [
      { name: "a", weight: 1 },
      { name: "b", weight: 9 },
    ],
  };
  const targets = [
    { model: "a", weight: 1 },
    { model: "b", weight: 9 },
  ];
  assert.deepEqual(object(made(`${ALPHA}/v1alpha1`, "InferenceModel", model)), {
    kind: "model",
    ...named,
    pool: "p",
    model: "m",
    criticality: "Sheddable",
    targets,
  });
  const matches = [{ model: { type: "Exact", value: "m" } }, { model: { value: "n" } }];
  const rules = [{ matches, targets: [{ modelRewrite: "x" }] }, { targets: [{ modelRewrite: "y", weight: 0 }] }];
  const created = "2026-01-01T00:00:00Z";
  assert.deepEqual(object(made(alpha2, "InferenceModelRewrite", { poolRef, rules }, { creationTimestamp: created })), {
    kind: "rewrite",
    ...named,
    pool: "p",
    created,
    rules: [
      { models: ["m", "n"], targets: [{ model: "x", weight: null }] },
      { models: [], targets: [{ model: "y", weight: 0 }] },
    ],
  });
  const labels = { "inference.networking.k8s.io/bbr-managed": "true" };
  const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { ...named, labels } };
  assert.deepEqual(object({ ...map, data: { baseModel: "  base ", adapters: "-  a1  \n- \n- a2\n- a1\n" } }), {
    kind: "adapters",
    ...named,
    base: "base",
    adapters: ["a1", "a2"],
  });
  assert.ok("unused" in translate({ ...map, metadata: named }));
});

test("the errors of an object are reported together, each with field, value and expectation", () => {
  const broken = pool("p", "a", 80_000);
  (broken.spec as { selector: unknown }).selector = { app: "a" };
  assert.deepEqual(problems(broken), [
    "spec.selector.matchLabels: got nothing, expected an object of labels",
    "spec.targetPorts[0].number: got 80000, expected a port, an integer from 1 to 65535",
  ]);
  assert.deepEqual(problems(made("inference.networking.k8s.io/v1", "InferencePool", undefined)), [
    "spec: got nothing, expected an object with selector and targetPorts",
  ]);
  assert.deepEqual(problems(pod("a", "x", "10.0.0.256")), [
    'status.podIP: got "10.0.0.256", expected an IP address',
    'status.podIPs[0].ip: got "10.0.0.256", expected an IP address',
  ]);
  assert.deepEqual(problems(slice("s", { http: 80 }, "fe80::1%eth0")), [
    'endpoints[0].addresses[0]: got "fe80::1%eth0", expected an IP address',
  ]);
  const unlabelled = slice("s", { http: 80 });
  unlabelled.metadata.labels = {};
  assert.match(problems(unlabelled)[0] ?? "", /^metadata: got .*, expected the label kubernetes.io\/service-name$/);
  assert.deepEqual(problems({ apiVersion: "v1", kind: "Pod" }), [
    "metadata: got nothing, expected an object with name",
  ]);
  for (const input of [null, 7, "text", []])
    assert.match(problems(input)[0] ?? "", /expected an object with apiVersion and kind/);
  assert.deepEqual(problems({ kind: "Pod" }), ["apiVersion: got nothing, expected text"]);
  const labels = { "inference.networking.k8s.io/bbr-managed": "true" };
  const map = (adapters: string) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "n", labels },
    data: { baseModel: "b", adapters },
  });
  for (const adapters of ["a: b", "[", "- {a: b}", "*x"])
    assert.match(problems(map(adapters))[0] ?? "", /^data\.adapters: got/);
});

test("other kinds and other versions are unused, without an error", () => {
  for (const [apiVersion, kind] of [
    ["apps/v1", "Deployment"],
    ["v1", "Service"],
    ["v1", "InferencePool"],
    ["v1beta1", "Pod"],
  ]) {
    assert.ok("unused" in translate({ apiVersion, kind, metadata: { name: "n" } }), kind);
  }
});

test("a translation never throws, whatever the input", () => {
  const kinds = [
    ["v1", "Pod"],
    ["v1", "ConfigMap"],
    ["discovery.k8s.io/v1", "EndpointSlice"],
    [`${ALPHA}/v1alpha2`, "InferenceModelRewrite"],
    ["inference.networking.k8s.io/v1", "InferencePool"],
  ];
  const input = fc.record({
    kind: fc.constantFrom(...kinds),
    metadata: fc.anything(),
    spec: fc.anything(),
    status: fc.anything(),
    data: fc.anything(),
    endpoints: fc.anything(),
  });
  fc.assert(
    fc.property(input, ({ kind: [apiVersion, kind], ...rest }) => {
      const translated = translate({ apiVersion, kind, ...rest });
      assert.ok("object" in translated || "unused" in translated || translated.problems.length > 0);
    }),
    { numRuns: 300 },
  );
});

test("a pool selects pods of its namespace that have all its labels; no label selects every pod", () => {
  const two = pool("p", "a", 80);
  (two.spec as { selector: { matchLabels: object } }).selector.matchLabels = { app: "a", tier: "gpu" };
  const gpu = pod("gpu", "a", "10.0.0.2");
  Object.assign(gpu.metadata.labels as object, { tier: "gpu" });
  const elsewhere = pod("elsewhere", "a", "10.0.0.3");
  elsewhere.metadata.namespace = "other";
  const pods = [pod("a", "a", "10.0.0.1"), gpu, elsewhere];
  assert.deepEqual(addresses(ALL, two, ...pods), ["10.0.0.2:80"]);
  (two.spec as { selector: { matchLabels: object } }).selector.matchLabels = {};
  assert.deepEqual(addresses(ALL, two, ...pods), ["10.0.0.1:80", "10.0.0.2:80"]);
});

test("only configured pools are followed; a pod of two pools is one pod of both", () => {
  const inputs = [pool("p", "a", 80), pool("q", "a", 80, 81), pod("a", "a", "10.0.0.1")];
  assert.deepEqual(addresses({ ...ALL, pools: [{ name: "p" }] }, ...inputs), ["10.0.0.1:80"]);
  assert.deepEqual(addresses({ ...ALL, pools: [{ namespace: "other", name: "p" }] }, ...inputs), []);
  const { pods } = found(ALL, ...inputs);
  assert.deepEqual(pods[0]?.cluster?.of, ["InferencePool default/p", "InferencePool default/q"]);
  assert.equal(pods.length, 2);
});

test("an address that a terminating pod has lost belongs to the new pod, in either order of the objects", () => {
  for (const [first, second] of [
    ["a", "b"],
    ["b", "a"],
  ] as const) {
    const old = pod(first, "a", "10.0.0.1", { deleted: true, ready: false });
    const { pods } = found(ALL, pool("p", "a", 80), old, pod(second, "a", "10.0.0.1"));
    assert.deepEqual([pods[0]?.cluster?.ready, pods[0]?.cluster?.draining], [true, false]);
  }
});

test("a Service has one port, or the configuration names a port; a dual-stack Service counts once", () => {
  const one = slice("s", { serve: 8000 }, "10.0.0.1");
  assert.deepEqual(addresses(ALL, one), ["10.0.0.1:8000"]);
  const two = slice("s", { http: 8000, metrics: 9000 }, "10.0.0.1");
  assert.deepEqual(found(ALL, two).problems, [
    "Service default/s: port: got nothing, expected the name or number of one of its ports: http (8000), metrics (9000)",
  ]);
  const services = (port: string) => ({ ...ALL, services: [{ name: "s", port }] });
  assert.deepEqual(addresses(services("http"), two), ["10.0.0.1:8000"]);
  assert.deepEqual(addresses(services("9000"), two), ["10.0.0.1:9000"]);
  assert.deepEqual(addresses({ ...ALL, services: [{ name: "other" }] }, two), []);
  const six = slice("s", { serve: 8000 }, "fd00::1");
  six.metadata.name = "s-six";
  assert.deepEqual(addresses(ALL, { ...six, addressType: "IPv6" }), ["[fd00::1]:8000"]);
  assert.deepEqual(addresses(ALL, one, { ...six, addressType: "IPv6" }), ["10.0.0.1:8000"]);
});

test("a known engine label sets the engine; an unknown label is a problem", () => {
  const labelled = (engine: string) => {
    const made = pod("a", "a", "10.0.0.1");
    Object.assign(made.metadata.labels as object, { "inference.networking.k8s.io/engine-type": engine });
    return made;
  };
  const good = found(ALL, pool("p", "a", 80), labelled("vllm"));
  assert.deepEqual([good.pods[0]?.engine, good.problems], ["vllm", []]);
  const bad = found(ALL, pool("p", "a", 80), labelled("toString"));
  assert.equal(bad.pods[0]?.engine, "vllm");
  assert.match(bad.problems[0] ?? "", /engine-type: got "toString", expected one of auto, vllm/);
});
