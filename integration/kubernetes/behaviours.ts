// What the sidecar does with a cluster. The claims are the same for a real API server and for the fake one.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { type TestContext, test } from "node:test";
import type { WatchTimes } from "../../sidecar/kubernetes/watch.ts";
import type { Sidecar } from "../../sidecar/sidecar.ts";
import type { Cluster, Crd } from "../../testkit/kubernetes/cluster.ts";
import { pod, pool, slice } from "../../testkit/kubernetes/objects.ts";
import { type FakeFilter, startFilter } from "../../testkit/sidecar/fake-filter.ts";
import { gauges, modelList } from "../../testkit/sidecar/fake-pod.ts";
import { endpointOf, quickSidecar } from "../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../testkit/until.ts";

const POOLS: Crd = "inference.networking.k8s.io_inferencepools";
const ALPHA = "inference.networking.x-k8s.io";

/** This time is short enough to test that the sidecar notices silence, and long enough for a busy machine. */
const TIMES: WatchTimes = { watchMs: 4000, silenceMs: 4000, retryMinMs: 50, retryMaxMs: 500, absentMs: 300 };

/** A model server on a loopback address of its own and a common port, like a pod of a pool. */
async function startEngine(t: TestContext, ip: string, port: number, model: string): Promise<number> {
  const server = createServer((request, response) => {
    const answer = request.url === "/metrics" ? gauges(1, 2) : modelList(model);
    answer(request, response);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, ip, resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

interface Scene {
  filter: FakeFilter;
  sidecar: Sidecar;
  port: number;
  ready(): string[];
  listed(): string[];
}

async function scene(t: TestContext, cluster: Cluster, more: Record<string, unknown> = {}): Promise<Scene> {
  const port = await startEngine(t, "127.0.0.1", 0, "llama");
  for (const ip of ["127.0.0.2", "127.0.0.3"]) await startEngine(t, ip, port, "llama");
  const filter = await startFilter();
  t.after(() => filter.close());
  const kubernetes = { kubeconfig: cluster.kubeconfig, ...more };
  const sidecar = await quickSidecar(t, { targets: [filter.url], more: { kubernetes }, parts: { watchTimes: TIMES } });
  const listed = () => (filter.stored?.endpoints ?? []).map(({ address }) => address);
  const ready = () => (filter.stored?.endpoints ?? []).filter((each) => each.ready).map(({ address }) => address);
  return { filter, sidecar, port, ready, listed };
}

const onNode = (object: ReturnType<typeof pod>) => ({
  ...object,
  spec: { ...(object.spec as object), nodeName: "node" },
});

/** Removes the objects of a test before the next one. */
async function put(t: TestContext, cluster: Cluster, ...objects: Array<ReturnType<typeof pod>>): Promise<void> {
  for (const object of objects) {
    await cluster.put(object);
    t.after(() => cluster.gone(object));
  }
}

export function behaviours(name: string, subject: () => Cluster): void {
  const claim = (text: string, body: (t: TestContext, cluster: Cluster) => Promise<void>) =>
    test(`${name}: ${text}`, { timeout: 120_000 }, (t) => body(t, subject()));

  claim("pools that come after the sidecar, with their CRD, are picked up", async (t, cluster) => {
    const { sidecar, listed, port } = await scene(t, cluster);
    await until("it watches", () => sidecar.objects()[0]?.watches.some(({ state }) => state === "absent"));
    await cluster.installCrd(POOLS);
    await put(t, cluster, pool("llama", "vllm", port), pod("a", "vllm", "127.0.0.1"));
    await until("the pod", () => listed().length === 1);
    const refused = sidecar.objects()[0]?.watches.filter(({ state }) => state === "refused");
    assert.deepEqual(refused, []);
  });

  claim("a pod appears, is ready when Kubernetes and its scrape say so, drains and goes", async (t, cluster) => {
    const { filter, ready, listed, port } = await scene(t, cluster);
    await put(t, cluster, pool("llama", "vllm", port));
    const a = onNode(pod("a", "vllm", "127.0.0.1", { ready: false }));
    await put(t, cluster, a, pod("other", "other", "127.0.0.2"));
    await until("it is listed", () => listed().length === 1);
    await until("its models are known", () => filter.stored?.models[0]?.name === "llama");
    assert.deepEqual(ready(), []);
    const before = performance.now();
    await cluster.put(onNode(pod("a", "vllm", "127.0.0.1")));
    await until("ready", () => ready().length === 1);
    t.diagnostic(`from the write of a Ready condition to the filter: ${Math.round(performance.now() - before)} ms`);
    await cluster.remove(a);
    await until("draining", () => endpointOf(filter.stored, `127.0.0.1:${port}`)?.draining);
    const gone = performance.now();
    await cluster.gone(a);
    await until("gone", () => listed().length === 0);
    t.diagnostic(`from a pod's deletion to the filter: ${Math.round(performance.now() - gone)} ms`);
  });

  claim("when a pool changes or goes, its pods change or go with it", async (t, cluster) => {
    const { listed, port } = await scene(t, cluster);
    await put(t, cluster, pool("llama", "one", port));
    await put(t, cluster, pod("a", "one", "127.0.0.1"), pod("b", "two", "127.0.0.2"));
    await until("the first", () => String(listed()) === `127.0.0.1:${port}`);
    await cluster.put(pool("llama", "two", port));
    await until("the second", () => String(listed()) === `127.0.0.2:${port}`);
    await cluster.gone(pool("llama", "two", port));
    await until("none", () => listed().length === 0);
  });

  claim("objectives, models, rewrites and adapter maps come, change and go, with their CRDs", async (t, cluster) => {
    const { sidecar } = await scene(t, cluster);
    const seen = () => sidecar.objects()[0];
    const names = ["inferenceobjectives", "inferencemodels", "inferencemodelrewrites"] as const;
    for (const plural of names) await cluster.installCrd(`${ALPHA}_${plural}`);
    const made = (kind: string, spec: object) => {
      return { apiVersion: `${ALPHA}/v1alpha2`, kind, metadata: { name: "n", namespace: "default" }, spec };
    };
    const poolRef = { name: "llama" };
    const objective = (priority: number) => made("InferenceObjective", { priority, poolRef });
    const targets = [{ modelRewrite: "b", weight: 3 }];
    await put(
      t,
      cluster,
      objective(1),
      made("InferenceModel", {
        modelName: "m",
        criticality: "Critical",
        poolRef,
        targetModels: [{ name: "t", weight: 5 }],
      }),
      made("InferenceModelRewrite", {
        poolRef,
        rules: [{ matches: [{ model: { type: "Exact", value: "a" } }], targets }],
      }),
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "n", namespace: "default", labels: { "inference.networking.k8s.io/bbr-managed": "true" } },
        data: { baseModel: "llama", adapters: "- sql\n" },
      },
    );
    await until("the objective", () => seen()?.objectives[0]?.priority === 1);
    await until("the model", () => seen()?.models[0]?.targets[0]?.weight === 5);
    await until("the rewrite", () => seen()?.rewrites[0]?.rules[0]?.targets[0]?.model === "b");
    await until("the adapters", () => seen()?.adapterMaps[0]?.adapters[0] === "sql");
    await cluster.put(objective(-1));
    await until("another priority", () => seen()?.objectives[0]?.priority === -1);
    await cluster.gone(objective(-1));
    await until("no objective", () => seen()?.objectives.length === 0);
    await cluster.uninstallCrd(`${ALPHA}_inferencemodels`);
    await until("no model", () => seen()?.models.length === 0);
  });

  claim("the EndpointSlices of a configured Service are endpoints", async (t, cluster) => {
    const { listed } = await scene(t, cluster, { services: ["llm-serve-svc:serve"] });
    // The API refuses loopback addresses in slices, so these are addresses for documentation, where nothing answers.
    const both = slice("llm-serve-svc", { serve: 8000, other: 1 }, "192.0.2.1", "192.0.2.2");
    await put(t, cluster, both, slice("elsewhere", { serve: 8000 }, "192.0.2.3"));
    await until("both", () => String(listed()) === "192.0.2.1:8000,192.0.2.2:8000");
    await cluster.put(slice("llm-serve-svc", { serve: 8000, other: 1 }, "192.0.2.2"));
    await until("one", () => String(listed()) === "192.0.2.2:8000");
  });

  claim("an API server that is killed takes no pod away, and a restart loses nothing", async (t, cluster) => {
    const { sidecar, ready, listed, filter, port } = await scene(t, cluster);
    await put(t, cluster, pool("llama", "vllm", port), pod("a", "vllm", "127.0.0.1"));
    await until("ready", () => ready().length === 1);
    await cluster.kill();
    await until("it noticed", () => sidecar.objects()[0]?.watches.some(({ state }) => state === "failing"));
    const version = filter.stored?.version ?? 0n;
    await until("pushes go on", () => (filter.stored?.version ?? 0n) > version);
    assert.equal(ready().length, 1);
    await cluster.start();
    const before = performance.now();
    await put(t, cluster, pod("b", "vllm", "127.0.0.2"));
    await until("what came after", () => ready().length === 2);
    t.diagnostic(`from the first write after a restart to the filter: ${Math.round(performance.now() - before)} ms`);
    await cluster.gone(pod("a", "vllm", "127.0.0.1"));
    await until("what went after", () => String(listed()) === `127.0.0.2:${port}`);
  });

  claim(
    "after a cut of the network the sidecar sees all changes, even if their versions have expired",
    async (t, cluster) => {
      const { ready, listed, port } = await scene(t, cluster);
      await put(t, cluster, pool("llama", "vllm", port), pod("a", "vllm", "127.0.0.1"), pod("b", "vllm", "127.0.0.2"));
      await until("both", () => ready().length === 2);
      cluster.gate.cut();
      t.after(() => cluster.gate.join());
      await cluster.gone(pod("a", "vllm", "127.0.0.1"));
      await put(t, cluster, pod("c", "vllm", "127.0.0.3"));
      await cluster.expire();
      await cluster.kill();
      await cluster.start();
      assert.deepEqual(listed(), [`127.0.0.1:${port}`, `127.0.0.2:${port}`]);
      const before = performance.now();
      cluster.gate.join();
      await until("the new and not the old", () => String(ready()) === `127.0.0.2:${port},127.0.0.3:${port}`);
      t.diagnostic(`from the network's return to the filter: ${Math.round(performance.now() - before)} ms`);
      assert.equal(listed().length, 2);
    },
  );

  claim("the sidecar notices within the time of a watch that the network has lost events", async (t, cluster) => {
    const { ready, port } = await scene(t, cluster);
    await put(t, cluster, pool("llama", "vllm", port), pod("a", "vllm", "127.0.0.1"));
    await until("ready", () => ready().length === 1);
    cluster.gate.hush();
    await put(t, cluster, pod("b", "vllm", "127.0.0.2"));
    const before = performance.now();
    await until("the pod that no event reported", () => ready().length === 2, 30_000);
    t.diagnostic(`silence of ${TIMES.watchMs} ms watches made good after ${Math.round(performance.now() - before)} ms`);
  });
}
