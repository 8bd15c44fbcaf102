// Tests the example of envoy/istio without an Istio. The test builds from the file the Envoy configuration that Istio would make, and runs
// the configuration on a plain Envoy with the unchanged module. The two plugins are in the order of their priorities, without the flag.
// The cluster gets the EnvoyFilter's policy.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { wasmFilter } from "../../envoy/filters.ts";
import type { Json, JsonObject } from "../../envoy/json.ts";
import { SECRET_ENV } from "../../protocol/constants.ts";
import { around } from "../../testkit/around.ts";
import { type Echo, startEcho } from "../../testkit/echo.ts";
import { counter, MODULE, pushToAll, SECRET } from "../../testkit/envoy/filter-envoy.ts";
import { startEnvoy, type TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { chat, post } from "../../testkit/http.ts";

interface Plugin {
  kind: string;
  metadata: { name: string };
  spec: {
    priority: number;
    url: string;
    failStrategy: string;
    pluginConfig: JsonObject;
    vmConfig?: { env: { name: string; valueFrom: string }[] };
  };
}
interface Patch {
  applyTo: string;
  patch: { operation: string; value: JsonObject };
}
interface Route {
  name: string;
  match?: { headers: Record<string, { exact: string }> }[];
  directResponse?: { status: number; body: { string: string } };
}

const text = await readFile(new URL("../../envoy/istio/pilotfish.yaml", import.meta.url), "utf8");
const documents = parseAllDocuments(text).map((document) => {
  assert.deepEqual(document.errors, []);
  return document.toJS() as { kind: string; spec: { configPatches: Patch[]; http: Route[] } };
});
const ofKind = <T>(kind: string): T[] => documents.filter((one) => one.kind === kind) as unknown as T[];
const plugins = ofKind<Plugin>("WasmPlugin").sort((a, b) => b.spec.priority - a.spec.priority);
const patches = ofKind<{ spec: { configPatches: Patch[] } }>("EnvoyFilter").flatMap(({ spec }) => spec.configPatches);
const routes = ofKind<{ spec: { http: Route[] } }>("VirtualService").flatMap(({ spec }) => spec.http);
const patchOf = (applyTo: string): JsonObject => {
  const found = patches.find((one) => one.applyTo === applyTo);
  assert.equal(found?.patch.operation, "MERGE");
  return found?.patch.value as JsonObject;
};
const MODEL = routes[0]?.match?.[0]?.headers["x-gateway-model-name"]?.exact ?? "";

let pods: [Echo, Echo];
let envoy: TestEnvoy;

around(
  async () => {
    pods = [await startEcho("pod-1"), await startEcho("pod-2")];
    const chain = plugins.map(({ metadata, spec }) =>
      wasmFilter({
        file: MODULE,
        name: metadata.name,
        vmId: metadata.name,
        configuration: spec.pluginConfig as Json,
        allowOnHeadersStopIteration: false,
        ...(spec.vmConfig ? { secret: SECRET } : {}),
      }),
    );
    const edit = (bootstrap: JsonObject) => {
      const { clusters, listeners } = bootstrap.static_resources as Record<"clusters" | "listeners", JsonObject[]>;
      for (const cluster of clusters) Object.assign(cluster, patchOf("CLUSTER"));
      for (const listener of listeners) Object.assign(listener, patchOf("LISTENER"));
    };
    const endpoints = pods.map(({ address }) => address);
    const pools = [{ name: "gemma", models: [MODEL], endpoints }];
    envoy = await startEnvoy(
      { pools, overrideHost: false, filtersBefore: chain, edit },
      { concurrency: 2, reads: [MODULE] },
    );
  },
  async () => {
    await envoy?.close();
    await Promise.all((pods ?? []).map((pod) => pod.close()));
  },
);

test("the reader is before the holder, the secret comes from the proxy's environment, and both fail closed", () => {
  assert.deepEqual(
    plugins.map(({ spec }) => spec.pluginConfig.role),
    ["reader", "holder"],
  );
  for (const { spec } of plugins) assert.equal(spec.failStrategy, "FAIL_CLOSE");
  assert.equal(new Set(plugins.map(({ spec }) => spec.url)).size, 1, "one module");
  assert.deepEqual(plugins[0]?.spec.vmConfig?.env, [{ name: SECRET_ENV, valueFrom: "HOST" }]);
});

test("a request is routed by its body, and the picked pod answers", async () => {
  for (const [i, idle] of ["pod-1", "pod-2"].entries()) {
    const on = pods.map(({ address }, pod) => ({ address, ready: pod === i }));
    await pushToAll(envoy, { [MODEL]: { on } });
    for (let n = 0; n < 4; n++) assert.equal((await post(envoy.url, chat(MODEL))).pod, idle);
  }
  assert.equal(await counter(envoy, "setup.not_followed"), 0);
});

test("a body of 2 MB passes the raised limit", async () => {
  const answer = await post(envoy.url, chat(MODEL, { user: "a".repeat(2_000_000) }));
  assert.equal(answer.status, 200, answer.text.slice(0, 200));
});

test("the last route answers requests of no model's route, with an error that OpenAI's clients understand", () => {
  const last = routes.at(-1);
  assert.equal(last?.match, undefined);
  assert.equal(last?.directResponse?.status, 404);
  assert.equal(JSON.parse(last?.directResponse?.body.string ?? "").error.code, "model_not_found");
});
