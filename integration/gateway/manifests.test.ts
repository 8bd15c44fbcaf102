// Tests the shipped and the rendered manifests. Envoy Gateway's own validation accepts each manifest, rendering replaces all names of the
// examples, and kustomize composes the manifests.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parse, parseAllDocuments } from "yaml";
import { modelSlug, type RenderOptions, render } from "../../envoy/gateway/render.ts";
import { SECRET_ENV } from "../../protocol/constants.ts";
import { parseConfig } from "../../sidecar/config/load.ts";
import { cachedGateway } from "../../testkit/envoy-gateway/build-envoy-gateway.ts";

const run = promisify(execFile);
const FOLDER = resolve(fileURLToPath(new URL("../../envoy/gateway", import.meta.url)));
const binaries = await cachedGateway();
const skip = binaries ? false : "egctl has not been built; `make test-gateway` does that";
/** Kinds of other projects, for which egctl has no schema. */
const FOREIGN = ["pod-monitor.yaml"];
const VARIANTS: Partial<RenderOptions>[] = (["stock", "single"] as const).flatMap((mode) =>
  (["kubernetes", "fleet", "host"] as const).flatMap((infra) =>
    (["service", "pods", "backend"] as const).map((backend) => ({ mode, infra, backend })),
  ),
);
const MODELS = ["meta-llama/Llama-3.1-8B", "qwen"];

function rendered(variant: Partial<RenderOptions>): Promise<Map<string, string>> {
  const endpoints = Object.fromEntries(MODELS.map((model) => [model, ["10.0.0.1:8000", "[fd00::1]:8000"]]));
  return render({ name: "inf", namespace: "team-a", models: MODELS, auth: true, endpoints, ...variant });
}

async function shipped(): Promise<string[]> {
  const names = await readdir(FOLDER, { recursive: true });
  return names.filter((name) => name.endsWith(".yaml") && !name.endsWith("kustomization.yaml")).sort();
}

/** The output of egctl, whose exit code is always 0. */
async function validate(text: string): Promise<string> {
  if (!binaries) throw new Error("egctl is missing");
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-validate-"));
  try {
    await writeFile(join(folder, "all.yaml"), text);
    const { stdout, stderr } = await run(binaries.egctl, ["x", "validate", "-f", join(folder, "all.yaml")]);
    return `${stdout}${stderr}`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe("egctl x validate", { skip }, () => {
  test("accepts every shipped manifest", async () => {
    const texts = await Promise.all(
      (await shipped())
        .filter((name) => !FOREIGN.some((foreign) => name.endsWith(foreign)))
        .map((name) => readFile(join(FOLDER, name), "utf8")),
    );
    assert.ok(texts.length >= 18, `${texts.length} manifests`);
    assert.match(await validate(texts.join("\n---\n")), /OK/);
  });

  test("refuses a manifest with an unknown key, so that an acceptance means something", async () => {
    const text = await readFile(join(FOLDER, "base/backend-traffic.yaml"), "utf8");
    const output = await validate(text.replace("endpointOverride:", "endpointOverwrite:"));
    assert.doesNotMatch(output, /OK/);
    assert.match(output, /endpointOverwrite/);
  });

  test("accepts every rendered variant", async () => {
    // egctl reads each document by itself and takes a second to start, so it gets each different file once.
    const texts = new Set<string>();
    for (const variant of VARIANTS)
      for (const [name, text] of await rendered(variant))
        if (!/kustomization|pod-monitor|secret|api-keys/.test(name)) texts.add(text);
    assert.ok(texts.size >= 20, `${texts.size} different files`);
    assert.match(await validate([...texts].join("\n---\n")), /OK/);
  });
});

test("rendering leaves no name of the examples behind", async () => {
  for (const variant of VARIANTS) {
    for (const [name, text] of await rendered(variant)) {
      const left = /gemma|llm-gateway|llm-serving|replace-this|example\.com\/[^p]/.exec(text);
      assert.equal(left, null, `${name} (${JSON.stringify(variant)}): ${left?.[0]}`);
    }
  }
});

test("every rendered document has a name and, where its kind has one, the namespace that was asked for", async () => {
  for (const [name, text] of await rendered({})) {
    if (name === "kustomization.yaml") continue;
    for (const document of parseAllDocuments(text)) {
      assert.deepEqual(document.errors, [], name);
      const { kind, metadata } = document.toJS() as { kind: string; metadata: { name: string; namespace?: string } };
      assert.ok(metadata.name, name);
      if (kind !== "GatewayClass") assert.match(metadata.namespace ?? "", /^(team-a|envoy-gateway-system)$/, name);
    }
  }
});

test("the sidecar accepts its rendered configuration", async () => {
  for (const infra of ["kubernetes", "fleet"] as const) {
    const text = (await rendered({ infra })).get("kubernetes-sidecar.yaml") ?? "";
    const { data } = parse(text) as { data: Record<string, string> };
    const { push } = parseConfig(parse(data["pilotfish.yaml"] ?? "") as object, { [SECRET_ENV]: "s".repeat(16) });
    const found = infra === "fleet" ? push.kubernetes : push.peers.kubernetes;
    assert.equal(found?.namespace, "envoy-gateway-system");
    assert.match(found?.selector ?? "", /gateway-name=inf,.*gateway-namespace=team-a$/);
    const targets = push.targets.map(({ origin }) => origin);
    assert.deepEqual(targets, infra === "fleet" ? [] : ["http://127.0.0.1:8088"]);
  }
});

test("the kustomization lists every file but the one for the Prometheus operator", async () => {
  const files = await rendered({ infra: "fleet" });
  const listed = [...(files.get("kustomization.yaml") ?? "").matchAll(/^ {2}- (\S+)$/gm)].map(([, name]) => name);
  const expected = [...files.keys()].filter((name) => !/kustomization|pod-monitor/.test(name));
  assert.deepEqual(listed, expected);
});

const noKubectl = spawnSync("kubectl", ["version", "--client"], { stdio: "ignore" }).status !== 0;

test("kustomize builds each part and each rendered folder", {
  skip: noKubectl && "kubectl is not installed",
}, async () => {
  const kustomize = async (folder: string): Promise<number> => {
    const { stdout } = await run("kubectl", ["kustomize", folder]);
    return parseAllDocuments(stdout).length;
  };
  const parts = (await readdir(FOLDER, { recursive: true })).filter((name) => name.endsWith("kustomization.yaml"));
  assert.ok(parts.length >= 9);
  for (const part of parts) assert.ok((await kustomize(dirname(join(FOLDER, part)))) >= 1, part);
  for (const infra of ["kubernetes", "fleet"] as const) {
    const folder = await mkdtemp(join(tmpdir(), "pilotfish-kustomize-"));
    try {
      for (const [name, text] of await rendered({ infra })) await writeFile(join(folder, name), text);
      assert.ok((await kustomize(folder)) >= 18, infra);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
});

test("each manifest begins with a comment about its purpose", async () => {
  for (const name of await shipped()) {
    const [first] = (await readFile(join(FOLDER, name), "utf8")).split("\n");
    assert.match(first ?? "", /^# \S.{30,}/, name);
  }
});

test("each secret is rendered anew, and the example's is never kept", async () => {
  const secretOf = async () =>
    /secret: (\S+)/.exec((await rendered({})).get("kubernetes-secret.yaml") ?? "")?.[1] ?? "";
  const [one, two] = [await secretOf(), await secretOf()];
  assert.match(one, /^[0-9a-f]{64}$/);
  assert.notEqual(one, two);
});

test("a model's name that Kubernetes refuses becomes a valid name", () => {
  assert.equal(modelSlug("meta-llama/Llama-3.1-8B"), "meta-llama-llama-3-1-8b");
  assert.equal(modelSlug("qwen"), "qwen");
  for (const model of ["日本", "!!!", "x".repeat(200), "-"])
    assert.match(modelSlug(model), /^[a-z0-9][a-z0-9-]{0,48}[a-z0-9]$/);
  assert.notEqual(modelSlug("x".repeat(200)), modelSlug(`${"x".repeat(199)}y`));
});

test("an invalid name, checksum or address is refused with key, value and expectation", async () => {
  await assert.rejects(rendered({ name: "Not A Name" }), /name: got "Not A Name", expected/);
  await assert.rejects(rendered({ code: { url: "http://x/y.wasm", sha256: "abc" } }), /sha256: got "abc", expected 64/);
  await assert.rejects(rendered({ backend: "backend", endpoints: {} }), /endpoint: none given for meta-llama/);
  await assert.rejects(
    rendered({ backend: "backend", endpoints: { "meta-llama/Llama-3.1-8B": ["pod:1"], qwen: ["10.0.0.1:1"] } }),
    /endpoint: got "pod:1", expected ip:port/,
  );
  await assert.rejects(rendered({ models: ["a.b", "a-b"] }), /both become a-b/);
});
