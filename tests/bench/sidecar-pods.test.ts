// The pods of `make bench-sidecar`: pages of some names, and the number by which ages are measured.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { PodsOptions, Served } from "../../bench/sidecar/pods.ts";
import { capture } from "../../testkit/captures.ts";

const PODS = fileURLToPath(new URL("../../bench/sidecar/pods.ts", import.meta.url));
const FILE = fileURLToPath(new URL("../fixtures/metrics/vllm-0.32-load.txt", import.meta.url));
const QUERY = "name[]=vllm:num_requests_waiting&name%5B%5D=vllm:prompt_tokens_total";

interface Pods {
  read(path: string): Promise<string>;
  served(): Promise<Served>;
}

async function withPods(names: boolean, use: (pods: Pods) => Promise<void>): Promise<void> {
  const child = fork(PODS, { serialization: "advanced" });
  const answer = <T>(message: object | string) =>
    new Promise<T>((done, fail) => {
      child.once("message", (given) => done(given as T));
      child.once("exit", (code) => fail(new Error(`the pods ended with ${code}`)));
      child.send(message);
    });
  try {
    const options: PodsOptions = { count: 1, file: FILE, model: "m", epoch: Date.now(), gzip: false, names };
    const [address] = await answer<string[]>(options);
    await use({
      read: async (path) => (await fetch(`http://${address}${path}`)).text(),
      served: () => answer<Served>("served"),
    });
  } finally {
    child.kill("SIGKILL");
  }
}

const withoutWaiting = (page: string) => page.replace(/^vllm:num_requests_waiting\{.*$/m, "");

test("a pod that honours names answers with their samples only, and the gauge is the time of the answer", async () => {
  await withPods(true, async ({ read, served }) => {
    const samples = (await read(`/metrics/?${QUERY}`)).split("\n").filter((line) => !/^(#|$)/.test(line));
    assert.match(
      samples.join("\n"),
      /^vllm:num_requests_waiting\{[^}]*\} \d{10}\nvllm:prompt_tokens_total\{[^}]*\} \S+$/,
    );
    const whole = await read("/metrics");
    assert.equal(withoutWaiting(whole), withoutWaiting(capture("load").toString()));
    assert.equal(await read("/v1/models"), '{"data":[{"id":"m","parent":null}]}');
    assert.deepEqual(await served(), { all: 2, restricted: 1 });
  });
});

test("a pod that ignores names answers with the whole page", async () => {
  await withPods(false, async ({ read, served }) => {
    assert.equal(withoutWaiting(await read(`/metrics/?${QUERY}`)), withoutWaiting(capture("load").toString()));
    assert.deepEqual(await served(), { all: 1, restricted: 0 });
  });
});
