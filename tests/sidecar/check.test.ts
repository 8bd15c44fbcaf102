// `pilotfish check` reads manifests from public documents unchanged, and finds contradictions.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { check } from "../../sidecar/check/check.ts";

const manifests = (name: string) => fileURLToPath(new URL(`../fixtures/manifests/${name}`, import.meta.url));

function says(text: string, lines: readonly RegExp[]): void {
  for (const line of lines) assert.match(text, line);
}

describe("manifests from public documents", () => {
  test("GKE's multi-cluster gateway", () => {
    const { text, code } = check([manifests("gke-multi-cluster")], {});
    assert.equal(code, 0, text);
    says(text, [
      /InferencePool default\/vllm-llama3-8b-instruct: .*ports 8000, exported to peers/,
      /food-review-1: in InferencePool default\/vllm-llama3-8b-instruct/,
      /food-review: priority 10/,
      /everything else → GCPInferencePoolImport vllm-llama3-8b-instruct/,
      /filled to 60 % of its KV cache; long requests, responses within 300 s/,
      /HTTP on port 8000, \/health every 15 s/,
      /vllm:kv_cache_usage_perc of app=vllm-llama3-8b-instruct, port 8000\/metrics, as kv-cache\n/,
      /Nothing contradicts/,
    ]);
  });

  test("GKE's multi-cluster gateway with IN_FLIGHT, which excludes CUSTOM_METRICS", () => {
    const { text, code } = check([manifests("gke-in-flight.yaml")], {});
    assert.equal(code, 0, text);
    assert.match(text, /filled to 1000 in-flight requests per pod/);
    const both = check([manifests("gke-in-flight.yaml"), manifests("gke-multi-cluster")], {});
    assert.equal(both.code, 1);
    assert.match(both.text, /GCPBackendPolicy default\/my-backend-policy: is defined twice/);
  });

  test("GKE with Ray Serve", () => {
    const { text, code } = check([manifests("gke-ray-serve")], {});
    assert.equal(code, 0, text);
    says(text, [
      /model gemma-2b-it, path \/ → Service gemma-2b-it-serve-svc:8000/,
      /model qwen-2\.5-3b, path \/ → Service qwen-25-3b-serve-svc:8000/,
      /for Service gemma-2b-it-serve-svc: HTTP on port 8000, \/-\/healthz every 5 s, within 5 s; 2 good, 2 bad/,
      /Ignored\n {2}RayService default\/gemma-2b-it: KubeRay makes a Service of it/,
      /a catch-all route must exist/,
    ]);
  });

  test("Envoy Gateway with a plain listener and a listener for models", () => {
    const { text, code } = check([manifests("envoy-gateway-two-listeners")], {});
    assert.equal(code, 0, text);
    says(text, [
      /llm-gw, HTTP on port 8081/,
      /attached to name=inference-gateway,port=8081/,
      /on inference-gateway\/llm-gw: path \/model\/llama2 → InferencePool llama2-pool/,
      /on inference-gateway\/http: path \/ → Service web:80/,
      /llama2: in InferencePool default\/llama2-pool, Critical/,
    ]);
  });
});

describe("contradictions", () => {
  const folder = mkdtempSync(join(tmpdir(), "pilotfish-check-"));
  after(() => rmSync(folder, { recursive: true }));
  let files = 0;
  const found = (yaml: string, more: { config?: string } = {}) => {
    const file = join(folder, `${files++}.yaml`);
    writeFileSync(file, yaml);
    return check([file], more);
  };
  const pool =
    "apiVersion: inference.networking.k8s.io/v1\nkind: InferencePool\nmetadata: {name: p}\nspec: {selector: {matchLabels: {app: p}}, targetPorts: [{number: 8000}]}\n---\n";
  const policy = (name: string, spec: string) =>
    `apiVersion: networking.gke.io/v1\nkind: GCPBackendPolicy\nmetadata: {name: ${name}}\nspec: {targetRef: {group: "", kind: GCPInferencePoolImport, name: p}, default: ${spec}}\n---\n`;

  for (const [what, yaml, line] of [
    [
      "two policies for one target",
      policy("a", "{balancingMode: IN_FLIGHT, maxInFlightRequestsPerEndpoint: 3}") + policy("b", "{timeoutSec: 3}"),
      /b: GCPInferencePoolImport p has GCPBackendPolicy default\/a already/,
    ],
    [
      "both modes",
      policy("a", "{balancingMode: IN_FLIGHT, maxInFlightRequestsPerEndpoint: 3, customMetrics: [{name: x}]}"),
      /the two exclude each other/,
    ],
    [
      "a metric that Pilotfish does not read",
      policy(
        "a",
        "{balancingMode: CUSTOM_METRICS, customMetrics: [{name: gke.named_metrics.heat, maxUtilizationPercent: 5}]}",
      ),
      /heat is not used: Pilotfish reads no metric of this name/,
    ],
    [
      "a pool that is not in the manifests",
      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {parentRefs: [{name: g}], rules: [{backendRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: q}]}]}\n",
      /InferencePool default\/q is not in these manifests/,
    ],
    [
      "a health check of another port",
      `${pool}apiVersion: networking.gke.io/v1\nkind: HealthCheckPolicy\nmetadata: {name: h}\nspec: {targetRef: {group: inference.networking.k8s.io, kind: InferencePool, name: p}, default: {config: {type: HTTP, httpHealthCheck: {port: 9000}}}}\n`,
      /port 9000 is none of InferencePool default\/p: 8000/,
    ],
    [
      "an objective of a pool that is not in the manifests",
      `${pool}apiVersion: inference.networking.x-k8s.io/v1alpha2\nkind: InferenceObjective\nmetadata: {name: o}\nspec: {priority: 1, poolRef: {name: q}}\n`,
      /poolRef: InferencePool default\/q is not in these manifests/,
    ],
    [
      "a field that is not a number",
      policy("a", "{timeoutSec: soon}"),
      /spec\.default\.timeoutSec: got "soon", expected an integer/,
    ],
    ["invalid YAML", "a: [1\n", /document 1: /],
  ] as const) {
    test(`${what} is found, and the exit code is not 0`, () => {
      const { text, code } = found(yaml);
      assert.equal(code, 1, text);
      assert.match(text.slice(text.indexOf("Contradictions")), line);
    });
  }

  test("a wrong configuration and no input have exit code 2", () => {
    const config = join(folder, "wrong.yaml.txt");
    writeFileSync(
      config,
      "places: {here: 'a b'}\npush: {targets: [http://127.0.0.1:1]}\nendpoints: [http://127.0.0.1:2]\n",
    );
    const wrong = check([], { config });
    assert.equal(wrong.code, 2);
    assert.match(wrong.text, /places\.here: got "a b"/);
    assert.equal(check([], {}).code, 2);
  });

  test("places, peers and policies of the configuration are shown", () => {
    const config = join(folder, "good.yaml.txt");
    writeFileSync(
      config,
      "places: {here: eu, list: [{name: us, region: us-east1, weight: 2}]}\npeers: [{url: http://10.0.0.1:9400, place: us}]\n" +
        "policies: [{models: [m], balancingMode: IN_FLIGHT, maxInFlightRequestsPerEndpoint: 4}]\npush: {targets: [http://127.0.0.1:1]}\n",
    );
    const { text, code } = check([], { config });
    assert.equal(code, 0, text);
    says(text, [
      /here: eu; requests above its limits go elsewhere by order/,
      /us: region us-east1, weight 2/,
      /peer http:\/\/10\.0\.0\.1:9400 in us: its pods/,
      /policies\[0\], for model m: a place is filled to 4 in-flight requests/,
    ]);
  });
});

test("the command prints the findings and exits with the code", () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ["--import", "tsx", "sidecar/main.ts", "check", ...args], { encoding: "utf8" });
  const good = run(manifests("gke-ray-serve"));
  assert.equal(good.status, 0, good.stderr);
  assert.match(good.stdout, /Nothing contradicts/);
  const json = run("--json", manifests("gke-ray-serve"));
  assert.deepEqual(JSON.parse(json.stdout).contradictions, []);
  assert.equal(run().status, 2);
});
