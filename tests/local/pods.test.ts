import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { askPod, baseModels, type LocalPod, poolsOf } from "../../envoy/local/pods.ts";
import { RunError } from "../../envoy/local/run-error.ts";
import { startPod } from "../../simulator/pod.ts";

const base = (name: string) => ({ name, parent: null });

function pod(port: number, ...models: LocalPod["models"]): LocalPod {
  return { name: `pod-${port}`, address: `127.0.0.1:${port}`, models };
}

test("models of the same pods share a pool, named after their base model", () => {
  const llama = [{ name: "sql", parent: "llama" }, base("llama")];
  const pools = poolsOf([pod(1, ...llama), pod(2, ...llama), pod(3, base("qwen"))]);
  assert.deepEqual(pools, [
    { name: "llama", models: ["sql", "llama"], endpoints: ["127.0.0.1:1", "127.0.0.1:2"] },
    { name: "qwen", models: ["qwen"], endpoints: ["127.0.0.1:3"] },
  ]);
});

test("an adapter on only some of the pods gets a pool of its own", () => {
  const pools = poolsOf([pod(1, base("llama"), { name: "sql", parent: "llama" }), pod(2, base("llama"))]);
  assert.deepEqual(pools, [
    { name: "llama", models: ["llama"], endpoints: ["127.0.0.1:1", "127.0.0.1:2"] },
    { name: "sql", models: ["sql"], endpoints: ["127.0.0.1:1"] },
  ]);
});

test("base models are listed once, in the order of the pods", () => {
  const adapter = { name: "sql", parent: "llama" };
  assert.deepEqual(baseModels([pod(1, base("llama"), adapter), pod(2, base("qwen"), base("llama"))]), [
    "llama",
    "qwen",
  ]);
});

test("the models of a pod are read from the pod, adapters with their base", async () => {
  const real = await startPod({ name: "p", models: [{ id: "llama", adapters: ["sql"] }] });
  try {
    const asked = await askPod("p", { origin: real.url, host: "localhost", port: real.port });
    assert.deepEqual(asked, {
      name: "p",
      address: real.address,
      models: [base("llama"), { name: "sql", parent: "llama" }],
    });
  } finally {
    await real.close();
  }
});

test("a pod without models is an error with the pod's name and its answer", async () => {
  let answer = { status: 200, body: "" };
  const server = createServer((_request, response) => {
    response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const origin = { origin: "", host: "127.0.0.1", port };
  const cases: [typeof answer, RegExp][] = [
    [{ status: 404, body: "{}" }, /^pod here: \/v1\/models answers 404, expected 200$/],
    [{ status: 200, body: "<html>" }, /^pod here: .*not JSON/],
    [{ status: 200, body: '{"data":[]}' }, /^pod here: \/v1\/models lists no model$/],
  ];
  try {
    for (const [next, message] of cases) {
      answer = next;
      await assert.rejects(askPod("here", origin), (error) => error instanceof RunError && message.test(error.message));
    }
  } finally {
    server.close().closeAllConnections();
  }
  await assert.rejects(askPod("here", origin), /^RunError: pod here: ECONNREFUSED/);
});
