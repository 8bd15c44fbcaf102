// The manifests that documents ask a reader to write (tests/fixtures/manifests), unchanged, with matching pods in a folder that a
// sidecar watches. A plain Envoy with the filter behaves as the documents say.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { OBJECTIVE_HEADER } from "../../protocol/constants.ts";
import { parseConfig } from "../../sidecar/config/load.ts";
import { startSidecar } from "../../sidecar/sidecar.ts";
import { type Pod, type PodOptions, startPod } from "../../simulator/pod.ts";
import { readBack, readBackFromAll, rises, SECRET, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { known } from "../../testkit/fleet.ts";
import { chat, JSON_TYPE, post } from "../../testkit/http.ts";
import { until } from "../../testkit/until.ts";

const closing: Array<() => Promise<unknown> | undefined> = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

/** The documents use port 8000, so every pod has an address of its own in 127.0.0.0/8. */
const NET = `127.${60 + Math.floor(Math.random() * 180)}.${Math.floor(Math.random() * 250)}`;
let hosts = 1;

async function pod(name: string, models: PodOptions["models"]): Promise<Pod> {
  const started = await startPod({ name, models, host: `${NET}.${hosts++}`, port: 8000, params: { stepBaseMs: 1 } });
  closing.push(() => started.close());
  return started;
}

interface Stand {
  envoy: TestEnvoy;
}

/** A sidecar that watches a copy of the manifests and `more`, and an Envoy with these pools. */
async function stand(
  manifests: string,
  more: readonly object[],
  config: Parameters<typeof startGateway>[0],
  models: readonly string[],
): Promise<Stand> {
  const folder = mkdtempSync(join(tmpdir(), "pilotfish-documents-"));
  closing.push(async () => rmSync(folder, { recursive: true }));
  cpSync(fileURLToPath(new URL(`../../tests/fixtures/manifests/${manifests}`, import.meta.url)), folder, {
    recursive: true,
  });
  for (const [i, object] of more.entries()) writeFileSync(join(folder, `more-${i}.json`), JSON.stringify(object));
  const envoy = await startGateway(config);
  closing.push(() => envoy.close());
  const sidecar = await startSidecar(
    parseConfig(
      {
        manifests: { directory: folder },
        push: { targets: [envoy.url], secret: SECRET },
        listen: "127.0.0.1:0",
        log: { level: "silent" },
      },
      {},
    ),
  );
  closing.push(() => sidecar.close());
  await known(envoy, ...models);
  // A HealthCheckPolicy may require two good answers five seconds apart; the pod is not ready before.
  await until("every pod to be healthy", async () => {
    const { endpoints } = (await readBack(envoy.url)).json as { endpoints: Array<{ ready: boolean }> };
    return endpoints.every(({ ready }) => ready);
  });
  return { envoy };
}

function podObject(name: string, labels: object, { address }: Pod): object {
  const podIP = address.split(":")[0];
  const status = { phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions: [{ type: "Ready", status: "True" }] };
  return { apiVersion: "v1", kind: "Pod", metadata: { name, labels }, status };
}

function sliceObject(service: string, pods: readonly Pod[]): object {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `${service}-1`, labels: { "kubernetes.io/service-name": service } },
    addressType: "IPv4",
    ports: [{ name: "serve", port: 8000 }],
    endpoints: pods.map(({ address }) => ({ addresses: [address.split(":")[0]], conditions: { ready: true } })),
  };
}

describe("GKE with Ray Serve", () => {
  test("gemma-2b-it and qwen-2.5-3b each reach their own Service, by the name in the body alone", async () => {
    const gemma = [await pod("gemma-0", [{ id: "gemma-2b-it" }]), await pod("gemma-1", [{ id: "gemma-2b-it" }])];
    const qwen = [await pod("qwen-0", [{ id: "qwen-2.5-3b" }])];
    const pools = [
      { name: "gemma-2b-it-serve-svc", models: ["gemma-2b-it"], endpoints: gemma.map(({ address }) => address) },
      { name: "qwen-25-3b-serve-svc", models: ["qwen-2.5-3b"], endpoints: qwen.map(({ address }) => address) },
    ];
    const slices = [sliceObject("gemma-2b-it-serve-svc", gemma), sliceObject("qwen-25-3b-serve-svc", qwen)];
    const { envoy } = await stand("gke-ray-serve", slices, { pools }, ["gemma-2b-it", "qwen-2.5-3b"]);
    const seen = { "gemma-2b-it": new Set<string>(), "qwen-2.5-3b": new Set<string>() };
    let sent = 0;
    const rise = await rises(envoy, async () => {
      await until("both pods of gemma to have answered", async () => {
        for (const [model, pods] of Object.entries(seen)) {
          // Concurrent requests, because sequential ones may all go to the pod that was idle at the last scrape.
          const answers = await Promise.all(Array.from({ length: 6 }, () => post(envoy.url, chat(model))));
          sent += answers.length;
          for (const { status, pod: by, text } of answers) {
            assert.equal(status, 200, text);
            pods.add(by ?? "");
          }
        }
        return seen["gemma-2b-it"].size > 1;
      });
    });
    assert.deepEqual([...seen["gemma-2b-it"]].sort(), ["gemma-0", "gemma-1"]);
    assert.deepEqual([...seen["qwen-2.5-3b"]], ["qwen-0"]);
    assert.equal(rise.picked, sent);
  });
});

describe("GKE's multi-cluster gateway", () => {
  test("food-review-1 is served with priority 10 while a request below 0 is refused, and the policy applies", async () => {
    const models = [{ id: "meta-llama/Llama-3.1-8B-Instruct", adapters: ["food-review-1"] }];
    const pods = [await pod("vllm-0", models), await pod("vllm-1", models)];
    const names = ["meta-llama/Llama-3.1-8B-Instruct", "food-review-1"];
    const pools = [{ name: "pool", models: names, endpoints: pods.map(({ address }) => address) }];
    const labels = { app: "vllm-llama3-8b-instruct" };
    const batch = {
      apiVersion: "inference.networking.x-k8s.io/v1alpha2",
      kind: "InferenceObjective",
      metadata: { name: "batch" },
      spec: { priority: -1, poolRef: { name: "vllm-llama3-8b-instruct" } },
    };
    const objects = [...pods.map((each, i) => podObject(`vllm-${i}`, labels, each)), batch];
    const { envoy } = await stand("gke-multi-cluster", objects, { pools }, names);
    const { objectives } = (await readBack(envoy.url)).json as {
      objectives: Array<{ name: string; priority: number }>;
    };
    assert.equal(objectives.find(({ name }) => name === "food-review")?.priority, 10);
    for (const each of pods) each.set({ extraWaiting: 50 });
    await until("every worker to know of the load", async () =>
      (await readBackFromAll(envoy.url)).every(({ json }) =>
        (json.endpoints as Array<{ waiting: number }>).every(({ waiting }) => waiting >= 50),
      ),
    );
    const ask = (objective: string) =>
      post(envoy.url, chat("food-review-1"), { headers: { ...JSON_TYPE, [OBJECTIVE_HEADER]: objective } });
    for (let i = 0; i < 5; i++) {
      assert.equal((await ask("batch")).status, 429);
      const answer = await ask("food-review");
      assert.equal(answer.status, 200, answer.text);
      assert.match(answer.pod ?? "", /^vllm-/);
    }
    // The policy has one place, so each pick is counted for this place.
    const rise = await rises(envoy, () => ask("food-review"));
    assert.equal(rise["place.here.picked"], 1);
  });
});

describe("Envoy Gateway with two listeners", () => {
  test("only the LLM listener picks endpoints for /model/llama2, and the plain listener stays unchanged", async () => {
    const pods = [await pod("llama2-0", [{ id: "llama2" }]), await pod("llama2-1", [{ id: "llama2" }])];
    const objects = pods.map((each, i) => podObject(`llama2-${i}`, { app: "llama2" }, each));
    const pools = [{ name: "llama2-pool", models: ["llama2"], endpoints: pods.map(({ address }) => address) }];
    const filter = { paths: ["/model/{model}/"] };
    const config = { pools, filter, defaultPool: "llama2-pool", plainPort: true };
    const { envoy } = await stand("envoy-gateway-two-listeners", objects, config, ["llama2"]);
    const path = "/model/llama2/v1/chat/completions";
    const answers: number[] = [];
    const onLlm = await rises(envoy, async () => {
      for (let i = 0; i < 10; i++) answers.push((await post(envoy.url, chat("llama2"), { path })).status);
    });
    assert.equal(onLlm.picked, 10);
    const onPlain = await rises(envoy, async () => {
      for (let i = 0; i < 10; i++) await post(envoy.plainUrl as string, chat("llama2"), { path });
    });
    assert.deepEqual(onPlain, {});
    // The pods do not know this path. Their answer is the same on both listeners.
    const plain = await post(envoy.plainUrl as string, chat("llama2"), { path });
    assert.deepEqual([...new Set(answers)], [plain.status]);
    assert.match(plain.pod ?? "", /^llama2-/);
  });
});
