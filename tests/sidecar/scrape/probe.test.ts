// Active probes: when a pod is ready although, or only if, its server can serve.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { type FakePod, modelList, startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { endpointOf, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

const list = modelList("m");

async function scene(t: TestContext, prepare: (pod: FakePod) => void, more: object = {}) {
  const [pod, filter] = await Promise.all([startPod(), startFilter()]);
  for (const server of [pod, filter]) t.after(() => server.close());
  const state = { status: 200, path: "/health", probes: 0 };
  pod.models = (request, response) => {
    if (request.url === "/v1/models") return list(request, response);
    state.probes++;
    response.writeHead(request.url === state.path ? state.status : 404).end();
  };
  prepare(pod);
  await quickSidecar(t, {
    endpoints: [],
    targets: [filter.url],
    more: {
      endpoints: [pod.url],
      health: { probe: true, interval: "100ms", timeout: "200ms", failures: 2, successes: 2 },
      ...more,
    },
  });
  return { pod, filter, state, seen: () => endpointOf(filter.stored, pod.address) };
}

test("a server that shows metrics but cannot serve is not ready, until it can serve", async (t) => {
  const { state, seen, pod } = await scene(t, () => {});
  await until("ready", () => seen()?.ready);
  state.status = 503;
  await until("out", () => seen()?.ready === false);
  const { scrapes } = pod;
  await until("still scraped", () => pod.scrapes > scrapes + 3);
  assert.equal(seen()?.ready, false);
  state.status = 200;
  await until("back", () => seen()?.ready);
});

test("a starting server is not ready, though it shows metrics and models", async (t) => {
  const { state, seen } = await scene(t, () => {});
  state.status = 503;
  await until("probed", () => state.probes >= 2 && seen());
  assert.equal(seen()?.ready, false);
  state.status = 200;
  await until("ready", () => seen()?.ready);
});

test("a probe uses the path of the recognised engine, such as /-/healthz for Ray", async (t) => {
  const { state, seen } = await scene(t, (pod) => {
    pod.metrics = (_request, response) => response.end("ray_vllm_num_requests_waiting 1\n");
  });
  state.path = "/-/healthz";
  await until("ready", () => seen()?.ready);
});

test("health.path replaces the engine's path", async (t) => {
  const health = { probe: true, path: "/live", interval: "100ms", timeout: "200ms" };
  const { state, seen } = await scene(t, () => {}, { health });
  state.path = "/live";
  await until("ready", () => seen()?.ready);
});

test("without health.probe no pod is probed", async (t) => {
  const { state, seen, pod } = await scene(t, () => {}, { health: {} });
  await until("ready", () => seen()?.ready);
  await until("scraped", () => pod.scrapes > 10);
  assert.equal(state.probes, 0);
});
