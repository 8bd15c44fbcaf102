// The README's table of compatible versions agrees with the versions that the make targets test.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { DEFAULT_VERSION, VERSIONS } from "../../envoy/versions.ts";
import { ENGINES } from "../../sidecar/engines/index.ts";
import { GATEWAY_ENVOY_VERSION, GATEWAY_VERSION } from "../../testkit/envoy-gateway/build-envoy-gateway.ts";
import { KUBERNETES_VERSION } from "../../testkit/kubernetes/build-api-server.ts";
import { readDocument, tables } from "./markdown.ts";

const TABLE = tables(readDocument("README.md")).find(([head]) => head?.[2] === "tested by") ?? [];
const makefile = readFileSync("Makefile", "utf8");

function row(name: string): string[] {
  const found = TABLE.find((cells) => cells[0]?.includes(name));
  assert.ok(found, `the README's compatibility table has a row for ${name}`);
  return found;
}

test("each row of the compatibility table names a make target", () => {
  assert.ok(TABLE.length > 5);
  for (const [name, , target = ""] of TABLE.slice(2)) {
    const made = /^`make ([a-z-]+)`$/.exec(target)?.[1];
    assert.ok(made && new RegExp(`^${made}:`, "m").test(makefile), `${name}: ${target}`);
  }
});

test("the table has the tested versions of Envoy, Envoy Gateway and Kubernetes", () => {
  const envoys = row("Envoy")[1]?.split(", ");
  assert.deepEqual(envoys, /^ENVOY_MATRIX := (.*)$/m.exec(makefile)?.[1]?.split(" "));
  assert.deepEqual(envoys, VERSIONS);
  assert.equal(row("Envoy Gateway")[1], `${GATEWAY_VERSION}, on Envoy ${GATEWAY_ENVOY_VERSION} and ${DEFAULT_VERSION}`);
  assert.equal(row("Kubernetes")[1], KUBERNETES_VERSION);
});

test("each model server that the sidecar knows is in the table, with the version of its metrics", () => {
  const names: Record<string, string> = {
    vllm: "vLLM",
    sglang: "SGLang",
    "trtllm-serve": "trtllm-serve",
    "triton-tensorrt-llm": "Triton TensorRT-LLM",
    ray: "Ray Serve LLM",
    tgi: "Text Generation Inference",
    "llama.cpp": "llama.cpp",
  };
  const text = TABLE.map((cells) => cells.join(" ")).join("\n");
  for (const engine of ENGINES.keys()) assert.ok(text.includes(names[engine] ?? engine), engine);
  for (const file of readdirSync("tests/fixtures/metrics")) {
    const first = readFileSync(`tests/fixtures/metrics/${file}`, "utf8").split("\n", 1)[0] ?? "";
    const version = /^vllm-([\d.]+)-/.exec(file)?.[1] ?? /\((\d[\d.]*)\)/.exec(first)?.[1];
    if (version !== undefined) assert.ok(text.includes(version), `${file}: ${version}`);
  }
});
