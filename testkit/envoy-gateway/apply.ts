// Applies objects and Envoy Gateway's CRDs to a real API server.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import type { ApiAnswer, ApiServer } from "../kubernetes/api-server.ts";
import { until } from "../until.ts";
import { GATEWAY_MODULE, GATEWAY_VERSION } from "./build-envoy-gateway.ts";

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

const CRDS = "charts/gateway-helm/charts/crds/crds";
const APPLY = "application/apply-patch+yaml";

function plural(kind: string): string {
  const name = kind.toLowerCase();
  if (/[^aeiou]y$/.test(name)) return `${name.slice(0, -1)}ies`;
  return name.endsWith("s") ? `${name}es` : `${name}s`;
}

export function pathOf({ apiVersion, kind, metadata }: Manifest): string {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = metadata.namespace ? `/namespaces/${metadata.namespace}` : "";
  return `${root}${scope}/${plural(kind)}/${metadata.name}`;
}

export const documentsOf = (text: string): Manifest[] =>
  parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((one): one is Manifest => one !== null);

/** Server-side apply. `query` is appended to the request's query. A new CRD's path may be a 404 for a moment, so 404 is retried. */
export async function applied(server: ApiServer, manifest: Manifest, query = ""): Promise<ApiAnswer> {
  for (let tries = 0; ; tries++) {
    const path = `${pathOf(manifest)}?fieldManager=test&force=true${query}`;
    const answer = await server.call("PATCH", path, manifest, APPLY);
    if (answer.status !== 404 || tries === 50) return answer;
    await sleep(100);
  }
}

export async function apply(server: ApiServer, manifest: Manifest): Promise<void> {
  const { status, json } = await applied(server, manifest);
  assert.ok(status < 300, `${manifest.kind} ${manifest.metadata.name}: ${JSON.stringify(json).slice(0, 300)}`);
}

/** Installs the CRDs of Envoy Gateway and of the Gateway API, and creates the namespaces. */
export async function installCrds(server: ApiServer, namespaces: readonly string[]): Promise<void> {
  const { stdout } = await promisify(execFile)("go", ["env", "GOMODCACHE"]);
  const folder = join(stdout.trim(), `${GATEWAY_MODULE}@v${GATEWAY_VERSION}`, CRDS);
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".yaml"));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  for (const crd of texts.flatMap(documentsOf).filter(({ kind }) => kind === "CustomResourceDefinition"))
    await apply(server, crd);
  for (const name of namespaces)
    await server.call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  await until("the CRDs served", async () => {
    const answers = await Promise.all(
      ["gateway.envoyproxy.io/v1alpha1", "gateway.networking.k8s.io/v1"].map((group) =>
        server.call("GET", `/apis/${group}`),
      ),
    );
    return answers.every(({ status, json }) => status === 200 && json.resources.length > 5);
  });
}
