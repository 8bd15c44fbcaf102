// Every manifest, as it ships and as it is rendered, is accepted by a real API server with the CRDs of Envoy Gateway and of
// the Gateway API: schema, defaults and CEL rules, unknown fields refused. It checks no references.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import { render } from "../../envoy/gateway/render.ts";
import { ApiServer } from "../kubernetes/apiserver.ts";
import { cachedKubernetes } from "../kubernetes/build.ts";
import { until } from "../support/until.ts";
import { cachedGateway, GATEWAY_MODULE, GATEWAY_VERSION } from "./build.ts";

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

const CRDS = "charts/gateway-helm/charts/crds/crds";
const APPLY = "application/apply-patch+yaml";
const kubernetes = await cachedKubernetes();
const built = kubernetes && (await cachedGateway());
const skip = built
  ? false
  : "kube-apiserver or Envoy Gateway has not been built; `make test-kubernetes`, `make test-gateway`";

function plural(kind: string): string {
  const name = kind.toLowerCase();
  if (/[^aeiou]y$/.test(name)) return `${name.slice(0, -1)}ies`;
  return name.endsWith("s") ? `${name}es` : `${name}s`;
}

function pathOf({ apiVersion, kind, metadata }: Manifest): string {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = metadata.namespace ? `/namespaces/${metadata.namespace}` : "";
  return `${root}${scope}/${plural(kind)}/${metadata.name}`;
}

const documents = (text: string): Manifest[] =>
  parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((one): one is Manifest => one !== null);

describe("a real API server, strict server-side dry run", { skip }, () => {
  let server: ApiServer;

  before(async () => {
    if (!kubernetes) return;
    server = await ApiServer.start(kubernetes);
    const { stdout } = await promisify(execFile)("go", ["env", "GOMODCACHE"]);
    const folder = join(stdout.trim(), `${GATEWAY_MODULE}@v${GATEWAY_VERSION}`, CRDS);
    const crds = await Promise.all(
      (await readdir(folder, { recursive: true }))
        .filter((name) => name.endsWith(".yaml"))
        .map((name) => readFile(join(folder, name), "utf8")),
    );
    for (const crd of crds.flatMap(documents).filter(({ kind }) => kind === "CustomResourceDefinition")) {
      const answer = await server.call("PATCH", `${pathOf(crd)}?fieldManager=test&force=true`, crd, APPLY);
      assert.ok(answer.status < 300, `${crd.metadata.name}: ${JSON.stringify(answer.json).slice(0, 300)}`);
    }
    for (const name of ["llm-serving", "team-a", "envoy-gateway-system"])
      await server.call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    await until("the CRDs served", async () => {
      const answers = await Promise.all(
        ["gateway.envoyproxy.io/v1alpha1", "gateway.networking.k8s.io/v1"].map((group) =>
          server.call("GET", `/apis/${group}`),
        ),
      );
      return answers.every(({ status, json }) => status === 200 && json.resources.length > 5);
    });
  });
  after(async () => {
    await server?.close();
  });

  async function dryRun(manifest: Manifest): Promise<{ status: number; message: string }> {
    const query = "?dryRun=All&fieldValidation=Strict&fieldManager=test&force=true";
    const { status, json } = await server.call("PATCH", `${pathOf(manifest)}${query}`, manifest, APPLY);
    return { status, message: String(json.message ?? json) };
  }

  async function accepts(name: string, text: string): Promise<number> {
    const all = documents(text);
    for (const manifest of all) {
      let { status, message } = await dryRun(manifest);
      // A CRD is in its group's list a moment before its path is served.
      for (let tries = 0; status === 404 && tries < 50; tries++) {
        await sleep(100);
        ({ status, message } = await dryRun(manifest));
      }
      assert.ok(status === 200 || status === 201, `${name}, ${manifest.kind}: ${status} ${message}`);
    }
    return all.length;
  }

  test("accepts every manifest that ships", async () => {
    const root = new URL("../../envoy/gateway/", import.meta.url).pathname;
    let count = 0;
    for (const name of (await readdir(root, { recursive: true })).sort()) {
      // Of the Prometheus operator, whose CRDs are not here.
      if (!name.endsWith(".yaml") || /kustomization|pod-monitor/.test(name)) continue;
      count += await accepts(name, await readFile(join(root, name), "utf8"));
    }
    assert.ok(count >= 25, `${count} documents`);
  });

  test("accepts what is rendered", async () => {
    for (const infra of ["kubernetes", "fleet", "host"] as const)
      for (const backend of ["service", "pods"] as const) {
        const files = await render({
          name: "inf",
          namespace: "team-a",
          models: ["meta-llama/Llama-3.1-8B"],
          infra,
          backend,
          auth: true,
        });
        for (const [name, text] of files) if (!/kustomization|pod-monitor/.test(name)) await accepts(name, text);
      }
  });

  test("refuses an unknown field and a broken rule, so its yes means something", async () => {
    const [policy] = documents(await readFile(new URL("../../envoy/gateway/stock/wasm.yaml", import.meta.url), "utf8"));
    const unknown = structuredClone(policy) as Manifest & {
      spec: { wasm: { failOpens?: boolean; code: { type: string } }[] };
    };
    (unknown.spec.wasm[0] as { failOpens?: boolean }).failOpens = true;
    assert.match((await dryRun(unknown)).message, /failOpens/);
    const broken = structuredClone(policy) as typeof unknown;
    (broken.spec.wasm[0] as { code: { type: string } }).code.type = "Image";
    assert.match(
      (await dryRun(broken)).message,
      /If type is Image, image field needs to be set|http field needs to be set/i,
    );
  });
});
