// The sidecar computes the order of places and their policies.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse as parseYaml } from "yaml";
import { decodeSnapshot } from "../../../protocol/decode.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import { type ConfigError, parseConfig } from "../../../sidecar/config/load.ts";
import { sourcesOf } from "../../../sidecar/discover/from-config.ts";
import { selectPods } from "../../../sidecar/discover/selection.ts";
import {
  type ClusterObject,
  viewOf as clusterView,
  type PolicyObject,
} from "../../../sidecar/kubernetes/cluster-objects.ts";
import { translate } from "../../../sidecar/kubernetes/translate/index.ts";
import { WATCH_TIMES } from "../../../sidecar/kubernetes/watch.ts";
import { type PodsView, viewOf } from "../../../sidecar/peers/view.ts";
import { PlaceOrder } from "../../../sidecar/policies/place-order.ts";
import { policiesOf } from "../../../sidecar/policies/policies-of-manifests.ts";
import { buildSnapshot } from "../../../sidecar/snapshot/build.ts";
import { SECRET } from "../../../testkit/sidecar/fake-filter.ts";
import { pod } from "../../../testkit/sidecar/read-pod.ts";

const config = (more: object) =>
  parseConfig(
    { push: { targets: ["http://127.0.0.1:1"], secret: SECRET }, endpoints: ["http://127.0.0.1:2"], ...more },
    {},
  );

describe("the order of places", () => {
  const list = [
    { name: "eu-1", region: "eu", weight: 1 },
    { name: "eu-2", region: "eu", weight: 2 },
    { name: "us-1", region: "us", weight: 1 },
  ];
  const orders = (order: PlaceOrder, trips = new Map<string, number>()) =>
    Object.fromEntries(order.places(["eu-1", "us-1", "eu-2"], new Map(), trips).map((each) => [each.name, each.order]));

  test("is this place, then its region, then elsewhere, unless `order` is configured", () => {
    const places = { here: "eu-1", spill: "order" as const, list };
    assert.deepEqual(orders(new PlaceOrder(places)), { "eu-1": 0, "eu-2": 1, "us-1": 2 });
    const given = list.map((place) => (place.name === "us-1" ? { ...place, order: 1 } : { ...place, order: 7 }));
    assert.deepEqual(orders(new PlaceOrder({ ...places, list: given })), { "eu-1": 7, "eu-2": 7, "us-1": 1 });
  });

  test("is the same for all places with spill: weight", () => {
    const places = new PlaceOrder({ here: "eu-1", spill: "weight", list });
    assert.deepEqual(orders(places), { "eu-1": 0, "eu-2": 0, "us-1": 0 });
  });

  test("follows the round trip with spill: roundTrip, and ignores noise", () => {
    const order = new PlaceOrder({ here: "eu-1", spill: "roundTrip", list });
    const trips = (eu2: number, us: number) =>
      new Map([
        ["eu-2", eu2],
        ["us-1", us],
      ]);
    assert.deepEqual(orders(order, trips(20, 90)), { "eu-1": 0, "eu-2": 1, "us-1": 2 });
    assert.deepEqual(orders(order, trips(95, 90)), { "eu-1": 0, "eu-2": 1, "us-1": 2 });
    assert.deepEqual(orders(order, trips(200, 90)), { "eu-1": 0, "us-1": 1, "eu-2": 2 });
  });
});

const POLICY = (spec: object): unknown => ({
  apiVersion: "networking.gke.io/v1",
  kind: "GCPBackendPolicy",
  metadata: { name: "p" },
  spec: { targetRef: { group: "networking.gke.io", kind: "GCPInferencePoolImport", name: "llama" }, ...spec },
});
const objectOf = (input: unknown): PolicyObject => {
  const result = translate(input);
  assert.ok("object" in result, JSON.stringify(result));
  return result.object as PolicyObject;
};

describe("policies of manifests", () => {
  test("CUSTOM_METRICS of the KV-cache usage sets a target in percent; an AutoscalingMetric's export name names the metric", () => {
    const metric = objectOf({
      apiVersion: "autoscaling.gke.io/v1beta1",
      kind: "AutoscalingMetric",
      metadata: { name: "m" },
      spec: {
        selector: { matchLabels: { app: "llama" } },
        endpoints: [
          { port: 8000, path: "/metrics", metrics: [{ name: "vllm:kv_cache_usage_perc", exportName: "full" }] },
        ],
      },
    });
    const customMetrics = [{ name: "gke.named_metrics.full", maxUtilizationPercent: 60, dryRun: true }];
    const policy = objectOf(POLICY({ default: { balancingMode: "CUSTOM_METRICS", customMetrics, timeoutSec: 300 } }));
    const { policies, problems } = policiesOf([policy, metric]);
    assert.deepEqual(problems, []);
    assert.equal(policies[0]?.mode, "utilization");
    assert.equal(policies[0]?.target, 0.6);
    assert.equal(policies[0]?.dryRun, true);
    assert.equal(policies[0]?.timeoutMs, 300_000);
    assert.match(policiesOf([policy]).problems[0] ?? "", /full is not used: Pilotfish reads no metric of this name/);
  });

  test("IN_FLIGHT sets a number per pod, and excludes CUSTOM_METRICS", () => {
    const inFlight = { balancingMode: "IN_FLIGHT", maxInFlightRequestsPerEndpoint: 1000, trafficDuration: "SHORT" };
    const [policy] = policiesOf([objectOf(POLICY({ default: inFlight }))]).policies;
    assert.equal(policy?.mostInFlight, 1000);
    assert.equal(policy?.short, true);
    const both = translate(
      POLICY({ default: { ...inFlight, customMetrics: [{ name: "gke.named_metrics.kv-cache" }] } }),
    );
    assert.ok("problems" in both && /the two exclude each other/.test(both.problems.join()), JSON.stringify(both));
    const none = translate(POLICY({ default: { balancingMode: "IN_FLIGHT" } }));
    assert.ok("problems" in none && /maxInFlightRequestsPerEndpoint/.test(none.problems.join()));
  });
});

describe("a snapshot with places", () => {
  test("has the places of its pods, and for each model the policy of its name, of its pool, or of all models", () => {
    const { places, policies } = config({
      places: { here: "eu", list: [{ name: "us", weight: 3 }] },
      policies: [
        { pools: ["default/llama"], balancingMode: "CUSTOM_METRICS", maxUtilizationPercent: 60 },
        { models: ["qwen"], balancingMode: "IN_FLIGHT", maxInFlightRequestsPerEndpoint: 8 },
      ],
    });
    const cluster = { ready: true, draining: false, asleep: false, of: ["InferencePool default/llama"] };
    const pods = [
      pod("10.0.0.1:8000", "llama", { cluster }),
      pod("10.1.0.1:8000", "llama", { cluster, place: "us" }),
      pod("10.0.0.2:8000", "qwen"),
      pod("10.0.0.3:8000", "other"),
      pod("10.2.0.1:80", "llama", { place: "asia", gateway: 40 }),
    ];
    const order = new PlaceOrder({ ...places, list: places.list });
    const world = { here: "eu", configured: true, order, regions: new Map(), roundTripsMs: new Map(), policies };
    const { view } = buildSnapshot(pods, {}, { version: 1n, source: 1n, now: 1000 }, undefined, world);
    const read = decodeSnapshot(encodeSnapshot(view));
    assert.deepEqual(
      read.endpoints.map(({ address, place, weight, gateway }) => [address, place, weight, gateway]),
      [
        ["10.0.0.1:8000", "eu", undefined, undefined],
        ["10.0.0.2:8000", "eu", undefined, undefined],
        ["10.0.0.3:8000", "eu", undefined, undefined],
        ["10.1.0.1:8000", "us", undefined, undefined],
        ["10.2.0.1:80", "asia", 40, true],
      ],
    );
    const policyOf = new Map(read.models.map(({ name, policy }) => [name, policy]));
    assert.equal(policyOf.get("llama"), "policies[0]: llama");
    assert.equal(policyOf.get("qwen"), "policies[1]: qwen");
    assert.equal(policyOf.get("other"), "places: other");
    assert.deepEqual(
      read.places?.map(({ name, weight }) => [name, weight]),
      [
        ["asia", 1],
        ["eu", 1],
        ["us", 3],
      ],
    );
  });

  test("has no places if nothing is configured", () => {
    const order = new PlaceOrder({ here: "here", spill: "order", list: [] });
    const world = { here: "here", configured: false, order, regions: new Map(), roundTripsMs: new Map(), policies: [] };
    const { view } = buildSnapshot(
      [pod("10.0.0.1:8000", "m")],
      {},
      { version: 1n, source: 1n, now: 1000 },
      undefined,
      world,
    );
    assert.equal(view.places, undefined);
    assert.equal(view.policies, undefined);
  });
});

test("an error in a policy or peer names key, value and expectation", () => {
  const problems = (more: object): string => {
    try {
      config(more);
    } catch (error) {
      return (error as ConfigError).problems.join("\n");
    }
    return "";
  };
  assert.match(
    problems({ policies: [{ balancingMode: "IN_FLIGHT" }] }),
    /policies\[0\]\.maxInFlightRequestsPerEndpoint/,
  );
  assert.match(problems({ policies: [{ balancingMode: "RATE" }] }), /got "RATE", expected CUSTOM_METRICS/);
  assert.match(problems({ peers: [{ url: "http://10.0.0.1:9400", mode: "gateway" }] }), /peers\[0\]\.gateway/);
  assert.match(problems({ places: { here: "eu west" } }), /places\.here: got "eu west"/);
});

describe("pods of a cluster", () => {
  const labels = { app: "m", "topology.kubernetes.io/region": "us-east1" };
  const pods = [
    { kind: "pod" as const, namespace: "default", name: "a", labels, ip: "10.0.0.1" },
    { kind: "pod" as const, namespace: "default", name: "b", labels: { app: "m" }, ip: "10.0.0.2" },
  ].map((each) => ({ ...each, ready: true, terminating: false, asleep: false, engine: null, activePorts: null }));
  const pool = objectOf({
    apiVersion: "inference.networking.k8s.io/v1",
    kind: "InferencePool",
    metadata: { name: "m", annotations: { "networking.gke.io/export": "True" } },
    spec: { selector: { matchLabels: { app: "m" } }, targetPorts: [{ number: 8000 }] },
  }) as unknown as ClusterObject;
  const check = (kind: string, port: number) =>
    objectOf({
      apiVersion: "networking.gke.io/v1",
      kind: "HealthCheckPolicy",
      metadata: { name: "h" },
      spec: {
        targetRef: { group: "networking.gke.io", kind, name: "m" },
        default: {
          checkIntervalSec: 5,
          timeoutSec: 3,
          healthyThreshold: 2,
          unhealthyThreshold: 4,
          config: { type: "HTTP", httpHealthCheck: { port, requestPath: "/-/healthz" } },
        },
      },
    });
  const selection = {
    pools: [],
    services: [],
    engine: "vllm",
    place: "eu",
    placeLabel: "topology.kubernetes.io/region",
  };
  const found = (...more: ClusterObject[]) => selectPods(clusterView([pool, ...pods, ...more]), selection).pods;

  test("get the place that their label names, else the cluster's place", () => {
    assert.deepEqual(
      found().map(({ place }) => place),
      ["us-east1", "eu"],
    );
  });

  test("are probed by the HealthCheckPolicy of their pool, on the serving port", () => {
    const probe = { path: "/-/healthz", intervalMs: 5000, timeoutMs: 3000, failures: 4, successes: 2 };
    for (const kind of ["InferencePool", "GCPInferencePoolImport"])
      assert.deepEqual(found(check(kind, 8000))[0]?.probe, probe);
    assert.equal(found(check("Service", 8000))[0]?.probe, undefined);
    assert.equal(found(check("InferencePool", 9000))[0]?.probe, undefined);
    assert.equal(found()[0]?.probe, undefined);
  });

  test("of an annotated pool are offered to peers, other pods are not", () => {
    const seen = [{ source: "m", followed: [], problems: [], watches: [], ...clusterView([pool]) }];
    const of = { ready: true, draining: false, asleep: false, of: ["InferencePool default/m"] };
    const own = [pod("10.0.0.1:8000", "m", { cluster: of }), pod("10.0.0.9:8000", "m")];
    const view = viewOf(own, seen, { place: "eu", region: undefined, pools: [] }, 1000, false) as PodsView;
    assert.deepEqual(
      view.pods.map(({ address }) => address),
      ["10.0.0.1:8000"],
    );
  });
});

test("the configuration in docs/how-to/places.md is valid", () => {
  const text = readFileSync("docs/how-to/places.md", "utf8");
  const shown = parseYaml(/```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? "") as object;
  const { places, peers, policies } = config(shown);
  assert.equal(places.here, "eu-west");
  assert.deepEqual(
    peers.map(({ place, mode, gateway, staleAfter }) => [place, mode, gateway, staleAfter]),
    [
      ["us-east", "pods", undefined, 2000],
      ["asia", "gateway", "10.2.0.9:80", 2000],
    ],
  );
  assert.equal(policies[0]?.target, 0.6);
});

test("several clusters are followed, each with its own place", () => {
  const clusters = [
    { context: "eu", place: "eu" },
    { context: "us", place: "us", policies: true },
  ];
  const given = config({ kubernetes: { context: "here" }, clusters });
  const parts = { log: { debug() {}, info() {}, warn() {}, error() {} } as never, failed() {}, random: () => 0.5 };
  const sources = sourcesOf(given, { ...parts, watchTimes: WATCH_TIMES });
  assert.deepEqual(
    sources.map(({ name }) => name).filter((name) => name.startsWith("kubernetes")),
    ["kubernetes", "kubernetes:eu", "kubernetes:us"],
  );
});
