// A cluster for tests, by a real or the fake API server. The sidecar reaches the API server through a gate, which stands for the
// network between them.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { until } from "../until.ts";
import { ApiServer, SIDECAR_TOKEN } from "./api-server.ts";
import type { KubernetesBinaries } from "./build-api-server.ts";
import { FakeApiServer, TOKEN } from "./fake-api-server.ts";
import { Gate } from "./gate.ts";
import { type KubeObject, resourceOf } from "./resources.ts";

export interface Cluster {
  gate: Gate;
  /** Kubeconfig of the sidecar, through the gate. On a real API server it has the rights of sidecar/deploy/rbac.yaml. */
  kubeconfig: string;
  /** Creates or changes an object, with its status. */
  put(object: KubeObject): Promise<void>;
  /** Deletes an object as its owner does. A pod on a node then terminates, and `gone` removes it. */
  remove(object: KubeObject): Promise<void>;
  gone(object: KubeObject): Promise<void>;
  /** Installs the CRD of a file in crds/. */
  installCrd(name: Crd): Promise<void>;
  uninstallCrd(name: Crd): Promise<void>;
  /** Ends the API server with SIGKILL. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** After its next start the API server no longer knows the versions up to now. */
  expire(): Promise<void>;
  /** The HTTP status that the sidecar's account gets for a request. */
  allowed(method: string, path: string): Promise<number>;
  close(): Promise<void>;
}

function collectionOf(object: KubeObject): string {
  return `/${resourceOf(object).replace(/\/([a-z]+)$/, `/namespaces/${object.metadata.namespace ?? "default"}/$1`)}`;
}

async function kubeconfig(folder: string, cluster: object, token: string): Promise<string> {
  const file = join(folder, "kubeconfig.json");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster }],
    users: [{ name: "u", user: { token } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "default" } }],
    "current-context": "x",
  };
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}

const CRDS = new URL("crds/", import.meta.url);

export type Crd = `${"inference.networking.k8s.io" | "inference.networking.x-k8s.io"}_${string}`;

async function crdOf(name: Crd): Promise<KubeObject> {
  return parse(await readFile(new URL(`${name}.yaml`, CRDS), "utf8")) as KubeObject;
}

export async function realCluster(binaries: KubernetesBinaries): Promise<Cluster> {
  const server = await ApiServer.start(binaries);
  const gate = await Gate.open(() => server.port);
  const must = async (what: string, answer: Promise<{ status: number; json: unknown }>, ...also: number[]) => {
    const { status, json } = await answer;
    if (status >= 300 && !also.includes(status)) throw new Error(`${what}: status ${status}: ${JSON.stringify(json)}`);
  };
  const APPLY = "application/apply-patch+yaml";
  const put = async (object: KubeObject): Promise<void> => {
    const { status, metadata, ...rest } = object;
    const path = `${collectionOf(object)}/${metadata.name}`;
    const applied = { ...rest, metadata };
    await must(`apply ${path}`, server.call("PATCH", `${path}?fieldManager=test&force=true`, applied, APPLY));
    if (status === undefined) return;
    // The kubelet updates the status; it does not apply it.
    await must(`status ${path}`, server.call("PATCH", `${path}/status`, { status }, "application/merge-patch+json"));
  };
  await until("the namespace", async () => (await server.call("GET", "/api/v1/namespaces/default")).status === 200);
  const rbac = await readFile(new URL("../../sidecar/deploy/rbac.yaml", import.meta.url), "utf8");
  for (const document of parseAllDocuments(rbac)) await put((document as { toJS(): KubeObject }).toJS());
  const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  return {
    gate,
    kubeconfig: await kubeconfig(
      server.folder,
      { server: `https://127.0.0.1:${gate.port}`, "certificate-authority": server.certificate },
      SIDECAR_TOKEN,
    ),
    put,
    remove: async (object) => must("delete", server.call("DELETE", `${collectionOf(object)}/${object.metadata.name}`)),
    gone: async (object) => {
      const path = `${collectionOf(object)}/${object.metadata.name}?gracePeriodSeconds=0`;
      await must("delete", server.call("DELETE", path), 404);
    },
    async installCrd(name) {
      const crd = await crdOf(name);
      const path = `${crds}/${crd.metadata.name}`;
      await must(path, server.call("PATCH", `${path}?fieldManager=test&force=true`, crd, APPLY));
      const established = ({ type, status }: { type: string; status: string }) =>
        type === "Established" && status === "True";
      await until(`${name} served`, async () => {
        const { json } = await server.call("GET", path);
        return json.status?.conditions?.some(established) === true;
      });
    },
    uninstallCrd: async (name) => must("delete", server.call("DELETE", `${crds}/${(await crdOf(name)).metadata.name}`)),
    kill: () => server.kill(),
    start: () => server.startServer(),
    expire: () => server.compact(),
    allowed: async (method, path) => (await server.call(method, path, undefined, undefined, SIDECAR_TOKEN)).status,
    async close() {
      await gate.close();
      await server.close();
    },
  };
}

export async function fakeCluster(): Promise<Cluster> {
  const server = await new FakeApiServer().start();
  for (const plural of ["api/v1/pods", "api/v1/configmaps", "apis/discovery.k8s.io/v1/endpointslices"]) {
    server.installed.add(plural);
  }
  const gate = await Gate.open(() => server.port);
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-kube-"));
  const drop = (object: KubeObject) =>
    server.remove(resourceOf(object), object.metadata.namespace ?? "default", object.metadata.name);
  const versions = async (crd: Crd): Promise<string[]> => {
    const { spec } = await crdOf(crd);
    const {
      group,
      names,
      versions: served,
    } = spec as {
      group: string;
      names: { plural: string };
      versions: Array<{ name: string }>;
    };
    return served.map(({ name }) => `apis/${group}/${name}/${names.plural}`);
  };
  return {
    gate,
    kubeconfig: await kubeconfig(
      folder,
      { server: `http://127.0.0.1:${gate.port}`, "insecure-skip-tls-verify": true },
      TOKEN,
    ),
    put: async (object) => void server.put(resourceOf(object), object),
    async remove(object) {
      if (object.kind !== "Pod") return drop(object);
      const metadata = { ...object.metadata, deletionTimestamp: new Date().toISOString() };
      server.put(resourceOf(object), { ...object, metadata });
    },
    gone: async (object) => drop(object),
    installCrd: async (name) => void (await versions(name)).map((resource) => server.installed.add(resource)),
    async uninstallCrd(name) {
      for (const resource of await versions(name)) {
        server.removeAll(resource);
        server.installed.delete(resource);
      }
    },
    kill: () => server.kill(),
    start: async () => void (await server.start()),
    expire: async () => server.expire(),
    allowed: async () => 501,
    async close() {
      await gate.close();
      await server.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
