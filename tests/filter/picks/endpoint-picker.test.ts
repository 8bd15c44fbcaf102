// Configurations of the Gateway API's endpoint picker, unchanged, and the picks that the filter makes with them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigurationRefused, Process, Root } from "../../../emulator/index.ts";
import { SECRET_ENV } from "../../../protocol/constants.ts";
import { A, B, base, C, endpoint, Gateway, routed, SECRET } from "../../../testkit/filter/gateway.ts";
import { release } from "../../../testkit/filter/release.ts";

/** The default configuration of the endpoint picker v1.5.0. */
const DEFAULT = {
  apiVersion: "inference.networking.x-k8s.io/v1alpha1",
  kind: "EndpointPickerConfig",
  featureGates: [],
  plugins: [
    { type: "queue-scorer" },
    { type: "kv-cache-utilization-scorer" },
    { type: "prefix-cache-scorer" },
    { type: "metrics-data-source" },
    { type: "core-metrics-extractor" },
  ],
  schedulingProfiles: [
    {
      name: "default",
      plugins: [
        { pluginRef: "queue-scorer", weight: 2 },
        { pluginRef: "kv-cache-utilization-scorer", weight: 2 },
        { pluginRef: "prefix-cache-scorer", weight: 3 },
      ],
    },
  ],
  dataLayer: {
    sources: [{ pluginRef: "metrics-data-source", extractors: [{ pluginRef: "core-metrics-extractor" }] }],
  },
};

function configured(pick: object) {
  const vm = new Process().startVm(release, { environment: { [SECRET_ENV]: SECRET } });
  new Root(vm, { configuration: JSON.stringify({ pick }), allowOnHeadersStopIteration: true });
  return vm.logs;
}

function refusal(pick: object): string {
  const vm = new Process().startVm(release, { environment: { [SECRET_ENV]: SECRET } });
  const configuration = JSON.stringify({ pick });
  assert.throws(
    () => new Root(vm, { configuration, allowOnHeadersStopIteration: true }),
    (error) => error instanceof ConfigurationRefused,
  );
  return vm.logs.filter((line) => line.level === "error").map((line) => line.text)[0] ?? "";
}

/** Returns the endpoint that gets a request when A, B and C have these readings. */
function winner(pick: object, fields: object[]): string | undefined {
  const gateway = new Gateway({ configuration: { pick } });
  gateway.feed({
    endpoints: [A, B, C].map((at, i) => endpoint(at, fields[i] ?? {})),
    models: [base("m", [A, B, C])],
  });
  const stream = gateway.chat("m");
  const destination = routed(stream.outcome).destination?.split(",")[0];
  stream.abort();
  gateway.assertHealthy();
  return destination;
}

describe("pick.config", () => {
  test("the endpoint picker's default is accepted, and a log line names the plugins without effect", () => {
    const logs = configured({ config: DEFAULT });
    assert.deepEqual(
      logs.filter((line) => line.text.includes("plugins")).map((line) => line.text),
      ["pilotfish: pick.config: these plugins have no effect here: metrics-data-source, core-metrics-extractor"],
    );
    assert.ok(logs.every((line) => line.level === "info"));
  });

  test("scorers decide by their weights; the default configuration and profile epp pick the same endpoint", () => {
    // 2 · queue score + 2 · KV-cache score: A 2·0 + 2·1, B 2·1 + 2·0.1, C 2·0.6 + 2·0.45
    const pods = [{ waiting: 10 }, { waiting: 0, kvUsage: 0.9 }, { waiting: 4, kvUsage: 0.55 }];
    assert.equal(winner({ config: DEFAULT }, pods), B);
    assert.equal(winner({ profile: "epp" }, pods), B);
    const kv = structuredClone(DEFAULT);
    (kv.schedulingProfiles[0]?.plugins[1] as { weight: number }).weight = 4;
    assert.equal(winner({ config: kv }, pods), A);
  });

  test("plugins are referred to by name, a missing weight is 1, and a plugin that no profile names is not used", () => {
    const config = {
      kind: "EndpointPickerConfig",
      plugins: [
        { type: "queue-scorer", name: "q" },
        { type: "kv-cache-utilization-scorer" },
        { type: "max-score-picker" },
      ],
      schedulingProfiles: [{ name: "p", plugins: [{ pluginRef: "q" }, { pluginRef: "max-score-picker" }] }],
    };
    assert.equal(winner({ config }, [{ waiting: 3 }, { waiting: 2 }, { waiting: 1, kvUsage: 1 }]), C);
  });

  test("without profiles all plugins are used", () => {
    const config = { plugins: [{ type: "running-requests-size-scorer" }, { type: "queue-scorer" }] };
    assert.equal(winner({ config }, [{ running: 3 }, { running: 0 }, { running: 1, waiting: 1 }]), B);
  });

  const refused: [string, object, RegExp][] = [
    [
      "an unknown type",
      { plugins: [{ type: "vibe-scorer" }] },
      /plugins\[0\]\.type: vibe-scorer given, one of queue-scorer, .*p2c-picker.* is expected/,
    ],
    ["no plugins", { kind: "EndpointPickerConfig" }, /config\.plugins: missing/],
    ["another kind", { kind: "Config", plugins: [] }, /kind: "Config" given, EndpointPickerConfig is expected/],
    [
      "an unknown key",
      { plugins: [], profiles: [] },
      /config\.profiles: this key is not known; known are apiVersion, kind, plugins/,
    ],
    ["a plugin without a type", { plugins: [{ name: "q" }] }, /plugins\[0\]\.type/],
    [
      "a name given twice",
      { plugins: [{ type: "queue-scorer" }, { type: "queue-scorer" }] },
      /queue-scorer given twice/,
    ],
    [
      "an unknown reference",
      { plugins: [], schedulingProfiles: [{ name: "p", plugins: [{ pluginRef: "q" }] }] },
      /pluginRef: "q" given, the name of one/,
    ],
    [
      "two profiles",
      { plugins: [], schedulingProfiles: [{ name: "p" }, { name: "q" }] },
      /2 given, at most 1 are expected/,
    ],
    [
      "a profile without a name",
      { plugins: [], schedulingProfiles: [{ plugins: [] }] },
      /schedulingProfiles\[0\]\.name/,
    ],
    [
      "a weight below 0",
      {
        plugins: [{ type: "queue-scorer" }],
        schedulingProfiles: [{ name: "p", plugins: [{ pluginRef: "queue-scorer", weight: -1 }] }],
      },
      /weight: -1(\.0)? given/,
    ],
    [
      "a threshold that is a text",
      { plugins: [{ type: "load-aware-scorer", parameters: { threshold: "9" } }] },
      /threshold: "9" given, a number/,
    ],
  ];
  for (const [what, config, expected] of refused) {
    test(`${what} refuses the configuration`, () => assert.match(refusal({ config }), expected));
  }

  test("pick.config beside pick.profile is refused", () => {
    assert.match(refusal({ profile: "load", config: DEFAULT }), /pick\.config: given beside pick\.profile/);
    assert.match(refusal({ picker: "p2c-picker", config: DEFAULT }), /pick\.config: given beside/);
  });
});

describe("pick.picker", () => {
  test("an unknown picker is refused with the known names", () => {
    assert.match(
      refusal({ picker: "best" }),
      /one of max-score-picker, weighted-random-picker, random-picker, p2c-picker/,
    );
  });

  test("p2c over a thousand endpoints lists two of them", () => {
    const gateway = new Gateway({ configuration: { pick: { picker: "p2c-picker" } } });
    const addresses = Array.from(
      { length: 1000 },
      (_, i) => `10.1.${100 + Math.floor(i / 100)}.${100 + (i % 100)}:8000`,
    );
    gateway.feed({ endpoints: addresses.map((at) => endpoint(at)), models: [base("m", addresses)] });
    const stream = gateway.chat("m");
    const list = routed(stream.outcome).destination?.split(",") ?? [];
    assert.equal(new Set(list).size, 2);
    stream.abort();
  });
});

describe("pick.onStale", () => {
  test("ignore picks by a stale snapshot as by a fresh snapshot; fallback does not pick, and counts the request", () => {
    for (const onStale of ["ignore", "fallback"]) {
      const gateway = new Gateway({ configuration: { pick: { profile: "load", onStale } } });
      const endpoints = [
        endpoint(A, { waiting: 9, running: 9 }),
        endpoint(B, { waiting: 0 }),
        endpoint(C, { waiting: 9, running: 9 }),
      ];
      gateway.feed({ endpoints, models: [base("m", [A, B, C])] });
      gateway.process.advance(60_000);
      for (let i = 0; i < 20; i++) {
        const stream = gateway.chat("m");
        assert.equal(routed(stream.outcome).destination?.split(",")[0], onStale === "ignore" ? B : undefined);
        stream.abort();
      }
      assert.equal(gateway.counters().stale, onStale === "ignore" ? undefined : 20);
      gateway.assertHealthy();
    }
  });

  test("penalise picks by a stale snapshot, and treats an endpoint without a recent scrape like the worst endpoint", () => {
    const gateway = new Gateway({ configuration: { pick: { profile: "epp", onStale: "penalise" } } });
    gateway.feed({
      endpoints: [endpoint(A, { scrapeAgeMs: 5000 }), endpoint(B, { kvUsage: 0.5 }), endpoint(C, { kvUsage: 0.9 })],
      models: [base("m", [A, B, C])],
    });
    const fresh = gateway.chat("m");
    assert.equal(routed(fresh.outcome).destination?.split(",")[0], B);
    fresh.abort();
    // After the stale limit no endpoint's readings count any more, so all endpoints are equal.
    gateway.process.advance(3000);
    const seen = new Set<string | undefined>();
    for (let i = 0; i < 60; i++) {
      const stream = gateway.chat("m");
      seen.add(routed(stream.outcome).destination?.split(",")[0]);
      stream.abort();
    }
    assert.equal(seen.size, 3);
    assert.equal(gateway.counters().stale, undefined);
    gateway.assertHealthy();
  });
});
