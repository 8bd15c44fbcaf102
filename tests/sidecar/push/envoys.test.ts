// How Envoys are found, when a snapshot is complete, and what another sidecar's lease does.
import assert from "node:assert/strict";
import { test } from "node:test";
import { apiClient } from "../../../sidecar/kubernetes/api-client.ts";
import { createLog } from "../../../sidecar/log.ts";
import { envoySources } from "../../../sidecar/push/envoy-sources.ts";
import { TOKEN } from "../../../testkit/kubernetes/fake-api-server.ts";
import { pod as podObject } from "../../../testkit/kubernetes/objects.ts";
import { PODS, startServer, TIMES } from "../../../testkit/kubernetes/watched.ts";
import { SECRET, startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { QUICK_PUSH, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { startScene } from "../../../testkit/sidecar/scene.ts";
import { until } from "../../../testkit/until.ts";

test("where another sidecar has the lease, this sidecar stands by, is ready, and takes over when the lease ends", async (t) => {
  const { pod, filters } = await startScene(t, 1);
  const [filter] = filters;
  filter.heldMs = 30;
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url] });
  await until("three tries", () => filter.answers.length >= 3);
  assert.equal(sidecar.readiness().ready, true);
  assert.equal(filter.stored, undefined);
  filter.heldMs = undefined;
  await until("a snapshot", () => filter.stored);
});

test("a snapshot is complete when each pod has been scraped, but not while most pods do not respond", async (t) => {
  const pods = [await startPod(), await startPod(), await startPod()];
  const filter = await startFilter();
  for (const server of [...pods, filter]) t.after(() => server.close());
  await quickSidecar(t, { endpoints: pods.map(({ url }) => url), targets: [filter.url] });
  await until("a complete one", () => filter.stored?.complete);
  for (const pod of pods.slice(1)) pod.metrics = () => {};
  await until("an incomplete one", () => filter.stored !== undefined && filter.stored.complete !== true);
  pods[1]?.close();
  assert.equal(filter.stored?.endpoints.length, 3);
});

test("an Envoy that starts again gets a snapshot soon, however long it was away", async (t) => {
  const { pod, filters } = await startScene(t, 1);
  const [filter] = filters;
  const port = Number(filter.address.split(":")[1]);
  filter.close();
  const push = { ...QUICK_PUSH, minBackoff: "50ms", maxBackoff: "10m", targets: [`http://127.0.0.1:${port}`] };
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push } });
  // Doubled waits would take minutes for so many tries.
  const refused = async () => {
    const page = await (await fetch(`${sidecar.url}/metrics`)).text();
    const tries = /pilotfish_pushes_total\{[^}]*result="refused"[^}]*\} (\d+)/.exec(page);
    return Number(tries?.[1] ?? 0) >= 12;
  };
  await until("twelve tries", refused);
});

test("a reload keeps the sidecar's id, so the filters see the same producer", async (t) => {
  const { pod, filters } = await startScene(t, 1);
  const [filter] = filters;
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url] });
  const before = (await until("a snapshot", () => filter.stored)).source;
  const { parseConfig } = await import("../../../sidecar/config/load.ts");
  const next = { endpoints: [pod.url], push: { ...QUICK_PUSH, targets: [filter.url] }, listen: "127.0.0.1:0" };
  await sidecar.reload(parseConfig(next, { PILOTFISH_SECRET: SECRET }));
  await until("a further one", () => filter.answers.length > 3);
  assert.equal(filter.stored?.source, before);
});

test("the addresses of a DNS name are Envoys; each gets a snapshot when it appears", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  const port = Number(filter.address.split(":")[1]);
  let addresses = ["127.0.0.1"];
  const push = { ...QUICK_PUSH, dns: [{ name: "envoy.test", port, interval: "100ms" }] };
  const parts = { resolve: async () => addresses };
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push }, parts });
  await until("a snapshot", () => filter.stored);
  assert.deepEqual(sidecar.envoys(), [filter.url]);
  addresses = ["127.0.0.1", "127.0.0.2"];
  await until("another one", () => sidecar.envoys().length === 2);
  addresses = [];
  await until("none", () => sidecar.envoys().length === 0);
  const { length } = filter.answers;
  addresses = ["127.0.0.1"];
  filter.stored = undefined;
  await until("a snapshot again", () => filter.stored);
  assert.ok(filter.answers.length > length);
});

test("pods with a label are watched as Envoys, also while they are not ready", async (t) => {
  const server = await startServer(t);
  server.put(PODS, podObject("envoy-1", "envoy", "10.0.0.1"));
  server.put(PODS, podObject("other", "else", "10.0.0.9"));
  let origins: readonly string[] | undefined;
  const credentials = {
    getCurrentCluster: () => ({ server: `http://127.0.0.1:${server.port}` }),
    async applyToHTTPSOptions(options: { headers?: unknown }) {
      options.headers = { authorization: `Bearer ${TOKEN}` };
    },
  };
  const access = async () => ({ client: apiClient(credentials), server: "test", namespace: "default" });
  const kubernetes = { selector: "app=envoy", port: 10080, scheme: "https" as const };
  const sources = envoySources(
    { targets: [], dns: [], kubernetes },
    { log: createLog("silent"), failed() {}, resolve: async () => [], random: () => 0.5, watchTimes: TIMES, access },
  );
  const last = sources.at(-1);
  last?.start((found) => {
    origins = found;
  });
  t.after(() => last?.close());
  const are = (...ips: string[]) => JSON.stringify(origins) === JSON.stringify(ips.map((ip) => `https://${ip}:10080`));
  await until("the first", () => are("10.0.0.1"));
  server.put(PODS, podObject("envoy-2", "envoy", "10.0.0.2", { ready: false }));
  await until("the second", () => are("10.0.0.1", "10.0.0.2"));
  server.remove(PODS, "default", "envoy-1");
  await until("the first to be gone", () => are("10.0.0.2"));
});
