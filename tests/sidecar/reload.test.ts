// Reloads of the configuration: pods and targets change without a gap.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../../sidecar/config/load.ts";
import { freePorts } from "../../testkit/ports.ts";
import { SECRET, startFilter } from "../../testkit/sidecar/fake-filter.ts";
import { modelList, startPod } from "../../testkit/sidecar/fake-pod.ts";
import { endpointOf, quickSidecar } from "../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../testkit/until.ts";

const settings = (endpoints: readonly string[], targets: readonly string[], more: Record<string, unknown> = {}) =>
  parseConfig(
    {
      endpoints,
      scrape: { interval: "20ms", maxInterval: "20ms", timeout: "2s", maxBackoff: "100ms" },
      push: { targets, interval: "10ms", heartbeat: "100ms", timeout: "2s", minBackoff: "10ms", maxBackoff: "50ms" },
      listen: "127.0.0.1:0",
      ...more,
    },
    { PILOTFISH_SECRET: SECRET },
  );

test("during a reload the old pods stay known until the new pods are", async (t) => {
  const [a, b] = [await startPod(), await startPod()];
  const [first, second] = [await startFilter(), await startFilter()];
  for (const server of [a, b, first, second]) t.after(() => server.close());
  const sidecar = await quickSidecar(t, { endpoints: [a.url], targets: [first.url] });
  await until("a ready pod", () => endpointOf(first.stored, a.address)?.ready);
  const source = first.stored?.source;
  await sidecar.reload(settings([a.url, b.url], [first.url, second.url]));
  await until("both pods at the new target", () => endpointOf(second.stored, b.address)?.ready);
  await until("both pods at the old target", () => endpointOf(first.stored, b.address)?.ready);
  assert.equal(endpointOf(first.stored, a.address)?.ready, true);
  assert.equal(first.stored?.source, source, "to the filter it is the same producer");
  assert.ok(sidecar.readiness().ready);
  await sidecar.reload(settings([b.url], [second.url]));
  await until("one pod", () => second.stored?.endpoints.length === 1);
  const metrics = await (await fetch(`${sidecar.url}/metrics`)).text();
  assert.ok(metrics.includes(`pilotfish_endpoint_ready{endpoint="${b.address}"}`));
  assert.ok(!metrics.includes(`endpoint="${a.address}"`), "nothing is left of a pod that is gone");
  const scrapes = [a.scrapes, b.scrapes] as const;
  await until("further scrapes of the pod that stays", () => b.scrapes > scrapes[1] + 3);
  assert.equal(a.scrapes, scrapes[0], "the pod that left is not read any more");
});

test("while a new configuration cannot push, the old configuration pushes; a later configuration replaces both", async (t) => {
  const [a, mute] = [await startPod(), await startPod()];
  const filter = await startFilter();
  for (const server of [a, mute, filter]) t.after(() => server.close());
  mute.metrics = () => {};
  const sidecar = await quickSidecar(t, { endpoints: [a.url], targets: [filter.url] });
  await until("a ready pod", () => endpointOf(filter.stored, a.address)?.ready);
  const waiting = sidecar.reload(
    settings([mute.url], [filter.url], { scrape: { interval: "20ms", maxInterval: "20ms", timeout: "1m" } }),
  );
  await until("a scrape of the mute pod", () => mute.scrapes > 0);
  assert.deepEqual(
    sidecar.pods().map((pod) => pod.address),
    [a.address],
  );
  a.models = modelList("other");
  const later = sidecar.reload(settings([a.url], [filter.url], { models: { interval: "100ms" } }));
  await Promise.all([waiting, later]);
  await until("the other model", () => filter.stored?.models.some((model) => model.name === "other"));
  assert.deepEqual(
    sidecar.pods().map((pod) => pod.address),
    [a.address],
  );
});

test("a reload whose listen address is in use is refused, and the old configuration stays in use", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url] });
  await until("a push", () => filter.stored);
  const { url } = sidecar;
  await assert.rejects(sidecar.reload(settings([pod.url], [filter.url], { listen: filter.address })), /EADDRINUSE/);
  const pushed = filter.answers.length;
  await until("further pushes", () => filter.answers.length > pushed + 2);
  assert.equal(sidecar.url, url);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
});

test("a reload may move the sidecar's own endpoints", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  const [port] = await freePorts(1);
  const more = { listen: `127.0.0.1:${port}` };
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url], more });
  const { url } = sidecar;
  await sidecar.reload(settings([pod.url], [filter.url], { listen: "localhost:0" }));
  assert.notEqual(sidecar.url, url);
  assert.equal((await fetch(`${sidecar.url}/healthz`)).status, 200);
  await assert.rejects(fetch(`${url}/healthz`));
});
