// A real API server with the CRDs of Envoy Gateway and of the Gateway API accepts every shipped and every rendered manifest. It
// checks schema, defaults and CEL rules, and refuses unknown fields. It does not check references.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { render } from "../../envoy/gateway/render.ts";
import { applied, documentsOf, installCrds, type Manifest } from "../../testkit/envoy-gateway/apply.ts";
import { cachedGateway } from "../../testkit/envoy-gateway/build-envoy-gateway.ts";
import { ApiServer } from "../../testkit/kubernetes/api-server.ts";
import { cachedKubernetes } from "../../testkit/kubernetes/build-api-server.ts";

const kubernetes = await cachedKubernetes();
const built = kubernetes && (await cachedGateway());
const skip = built
  ? false
  : "kube-apiserver or Envoy Gateway has not been built; `make test-kubernetes`, `make test-gateway`";

describe("a real API server, strict server-side dry run", { skip }, () => {
  let server: ApiServer;

  before(async () => {
    if (!kubernetes) return;
    server = await ApiServer.start(kubernetes);
    await installCrds(server, ["llm-serving", "team-a", "envoy-gateway-system"]);
  });
  after(async () => {
    await server?.close();
  });

  async function dryRun(manifest: Manifest): Promise<{ status: number; message: string }> {
    const { status, json } = await applied(server, manifest, "&dryRun=All&fieldValidation=Strict");
    return { status, message: String(json.message ?? json) };
  }

  async function accepts(name: string, text: string): Promise<number> {
    const all = documentsOf(text);
    for (const manifest of all) {
      const { status, message } = await dryRun(manifest);
      assert.ok(status === 200 || status === 201, `${name}, ${manifest.kind}: ${status} ${message}`);
    }
    return all.length;
  }

  test("accepts every manifest that ships", async () => {
    const root = new URL("../../envoy/gateway/", import.meta.url).pathname;
    let count = 0;
    for (const name of (await readdir(root, { recursive: true })).sort()) {
      // A PodMonitor belongs to the Prometheus operator, whose CRDs are not installed here.
      if (!name.endsWith(".yaml") || /kustomization|pod-monitor/.test(name)) continue;
      count += await accepts(name, await readFile(join(root, name), "utf8"));
    }
    assert.ok(count >= 25, `${count} documents`);
  });

  test("accepts every rendered manifest", async () => {
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

  test("refuses an unknown field and a broken rule, so that an acceptance means something", async () => {
    const [policy] = documentsOf(
      await readFile(new URL("../../envoy/gateway/stock/wasm.yaml", import.meta.url), "utf8"),
    );
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
