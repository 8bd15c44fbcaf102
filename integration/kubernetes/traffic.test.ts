// Pods are added, drain and end, and the API server dies, during traffic through a real Envoy.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { parseConfig } from "../../sidecar/config/load.ts";
import { createLog } from "../../sidecar/log.ts";
import { startSidecar } from "../../sidecar/sidecar.ts";
import { SECRET, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import { fastPod, known } from "../../testkit/fleet.ts";
import { chat, post } from "../../testkit/http.ts";
import { cachedKubernetes } from "../../testkit/kubernetes/build-api-server.ts";
import { type Cluster, fakeCluster, realCluster } from "../../testkit/kubernetes/cluster.ts";
import { pod, pool } from "../../testkit/kubernetes/objects.ts";
import { until } from "../../testkit/until.ts";

const WORKERS = 4;
/** If this many responses in a row come from other pods, the pod gets no requests. */
const ENOUGH = 150;

async function flows(t: TestContext, cluster: Cluster): Promise<void> {
  t.after(() => cluster.close());
  const first = await fastPod("p1", "llama", { host: "127.0.0.1" });
  const others = await Promise.all(
    ["127.0.0.2", "127.0.0.3"].map((host, i) => fastPod(`p${i + 2}`, "llama", { host, port: first.port })),
  );
  const engines = [first, ...others];
  for (const engine of engines) t.after(() => engine.close());
  const endpoints = engines.map(({ address }) => address);
  const envoy = await startGateway({ pools: [{ name: "llama", models: ["llama"], endpoints }], defaultPool: "llama" });
  t.after(() => envoy.close());

  const ip = (i: number) => `127.0.0.${i}`;
  const running = (i: number, ready = true) => {
    const object = pod(`p${i}`, "vllm", ip(i), { ready });
    return { ...object, spec: { ...(object.spec as object), nodeName: "node" } };
  };
  await cluster.installCrd("inference.networking.k8s.io_inferencepools");
  await cluster.put(pool("llama", "vllm", first.port));
  for (const i of [1, 2]) await cluster.put(running(i));
  const config = {
    kubernetes: { kubeconfig: cluster.kubeconfig },
    scrape: { interval: "50ms" },
    push: { targets: [envoy.url], secret: SECRET },
    listen: "127.0.0.1:0",
  };
  const sidecar = await startSidecar(parseConfig(config, {}), { log: createLog("silent") });
  t.after(() => sidecar.close());
  await known(envoy, "llama");
  await until("both", () => sidecar.pods().filter(({ health }) => health.ready).length === 2);

  const served: string[] = [];
  const failed: string[] = [];
  let going = true;
  const worker = async (): Promise<void> => {
    while (going) {
      const answer = await post(envoy.url, chat("llama")).catch((error: Error) => error);
      if (answer instanceof Error) failed.push(answer.message);
      else if (answer.status !== 200) failed.push(`${answer.status}: ${answer.text.slice(0, 200)}`);
      else served.push(answer.pod ?? "nobody");
    }
  };
  const workers = Array.from({ length: WORKERS }, worker);
  t.after(() => {
    going = false;
  });
  const without = (name: string) => () => served.length > ENOUGH && !served.slice(-ENOUGH).includes(name);
  const somewhere = (name: string) => {
    const from = served.length;
    return () => served.slice(from).includes(name);
  };

  await until("both serve", () => served.includes("p1") && served.includes("p2"));
  assert.ok(!served.slice(-20).includes("p3"), "a pod that Kubernetes does not know is not picked");
  await cluster.put(running(3));
  await until("the new one serves", somewhere("p3"));
  await cluster.remove(running(1));
  await until("the draining one gets nothing new", without("p1"));
  await first.close();
  await cluster.gone(running(1));
  await cluster.kill();
  await until("the others serve without an API server", somewhere("p2"));
  await until("and go on to", somewhere("p3"));
  await cluster.start();
  await cluster.put(running(3, false));
  await until("one that is not ready gets nothing", without("p3"));
  await cluster.put(running(3));
  await until("ready again", somewhere("p3"));
  going = false;
  await Promise.all(workers);
  assert.deepEqual(failed, []);
  t.diagnostic(`${served.length} requests, none failed`);
}

const binaries = await cachedKubernetes();
const skip = binaries ? false : "kube-apiserver has not been built; `make test-kubernetes` does that";

test("no request fails while pods are added, drain and end: kube-apiserver", { skip }, async (t) => {
  if (binaries) await flows(t, await realCluster(binaries));
});

test("no request fails while pods are added, drain and end: the fake API server", async (t) => {
  await flows(t, await fakeCluster());
});
