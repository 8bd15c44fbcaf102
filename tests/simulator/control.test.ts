// The control of a running pod: parameters, adapters, failure modes, counts, and the command line.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { PodStats } from "../../simulator/http/control.ts";
import { boundaryOf, parseMultipart } from "../../simulator/http/multipart.ts";
import { applyPatch, defaultParams, ParamError, type PodParams } from "../../simulator/params.ts";
import { type Pod, startPod } from "../../simulator/pod.ts";

interface ErrorBody {
  error: { message: string; type: string };
}

let pod: Pod;

beforeEach(async () => {
  pod = await startPod({ name: "p", models: [{ id: "m" }], params: { speed: 100 } });
});

afterEach(() => pod.close());

function post(path: string, body: unknown): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(`${pod.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
}

const chat = (model?: string) => post("/v1/chat/completions", { model, messages: [], max_tokens: 2 });

test("parameters are read and changed over HTTP while the pod runs", async () => {
  const changed = await post("/sim/params", { slots: 3, fail: "none", stepBaseMs: 0.5 });
  assert.equal(changed.status, 200);
  const params = (await (await fetch(`${pod.url}/sim/params`)).json()) as PodParams;
  assert.deepEqual([params.slots, params.stepBaseMs, params.kvBlocks], [3, 0.5, 16384]);
  assert.equal(pod.params.slots, 3);
});

test("a wrong patch is refused as a whole, with key, value and expectation", async () => {
  const cases: [object, string][] = [
    [{ slots: 0 }, "slots: 0 is not allowed, expected a whole number from 1 to 100000"],
    [{ slots: 2.5 }, "slots: 2.5 is not allowed, expected a whole number from 1 to 100000"],
    [{ speed: "2" }, 'speed: "2" is not allowed, expected a number from 0.001 to 1000'],
    [{ asleep: 1 }, "asleep: 1 is not allowed, expected true or false"],
    [{ fail: "often" }, 'fail: "often" is not allowed, expected one of none, hang, 500, reset, slow-metrics'],
    [{ blockSize: 32 }, "blockSize: 32 is not allowed, expected 16: it is fixed when the pod starts"],
    [{ extraWaiting: 5, slotz: 1 }, "slotz: 1 is not allowed, expected one of the parameters slots, "],
    [[], "params: [] is not allowed, expected a JSON object of parameters"],
  ];
  for (const [patch, text] of cases) {
    const response = await post("/sim/params", patch);
    assert.equal(response.status, 400);
    const { error } = (await response.json()) as ErrorBody;
    assert.ok(error.message.startsWith(text), error.message);
  }
  assert.equal(pod.params.extraWaiting, 0);
});

test("names that objects inherit, such as toString, are no parameters", () => {
  for (const key of ["__proto__", "constructor", "toString"]) {
    assert.throws(() => applyPatch(defaultParams(), JSON.parse(`{"${key}": 1}`), true), ParamError);
  }
});

test("adapters are loaded and unloaded at run time, by the control route and by vLLM's own routes", async () => {
  assert.equal((await chat("a")).status, 404);
  assert.deepEqual(await (await post("/sim/adapters", { add: ["a", "b"] })).json(), { adapters: ["a", "b"] });
  assert.equal((await chat("a")).status, 200);
  assert.match(pod.metrics(), /vllm:lora_requests_info\{max_lora="4",running_lora_adapters="a"/);
  await post("/sim/adapters", { remove: ["a"] });
  assert.equal((await chat("a")).status, 404);
  const loaded = await post("/v1/load_lora_adapter", { lora_name: "c", lora_path: "/c" });
  assert.equal(await loaded.text(), "Success: LoRA adapter 'c' added successfully.");
  assert.equal((await post("/v1/load_lora_adapter", { lora_name: "c", lora_path: "/c" })).status, 400);
  assert.equal((await post("/v1/unload_lora_adapter", { lora_name: "c" })).status, 200);
  assert.equal((await post("/v1/unload_lora_adapter", { lora_name: "c" })).status, 404);
});

test("fail modes: 500 responds, reset cuts the connection, hang sends nothing, and each mode can be switched off", async () => {
  pod.set({ fail: "500" });
  const failed = await chat();
  assert.equal(failed.status, 500);
  assert.equal(((await failed.json()) as ErrorBody).error.type, "InternalServerError");
  pod.set({ fail: "reset" });
  await assert.rejects(chat());
  pod.set({ fail: "hang" });
  const body = JSON.stringify({ messages: [] });
  const hanging = fetch(`${pod.url}/v1/chat/completions`, { method: "POST", body, signal: AbortSignal.timeout(100) });
  await assert.rejects(hanging, { name: "TimeoutError" });
  assert.equal((await fetch(`${pod.url}/health`)).status, 200);
  pod.set({ fail: "slow-metrics", slowMetricsMs: 60_000 });
  await assert.rejects(fetch(`${pod.url}/metrics`, { signal: AbortSignal.timeout(100) }), { name: "TimeoutError" });
  assert.equal((await chat()).status, 200);
  pod.set({ fail: "none" });
  assert.equal((await fetch(`${pod.url}/metrics`)).status, 200);
});

test("requests beyond max-num-queued-reqs are refused with 503 and counted", async () => {
  pod.set({ maxQueuedReqs: 2, asleep: true });
  const accepted = [chat(), chat()];
  while (pod.engine.waitingNow < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal((await chat()).status, 503);
  assert.match(pod.metrics(), /admission_rejections_total\{model_name="m",reason="max_num_queued_reqs"\} 1\.0\n/);
  pod.set({ asleep: false });
  for (const response of await Promise.all(accepted)) assert.equal(response.status, 200);
});

test("stats count received, finished and refused requests, in total and for each model", async () => {
  await chat();
  await chat();
  await chat("nobody");
  const stats = (await (await fetch(`${pod.url}/sim/stats`)).json()) as PodStats;
  assert.deepEqual([stats.received, stats.finished, stats.aborted, stats.refused], [3, 2, 0, 1]);
  assert.deepEqual(stats.models, { m: { received: 2, finished: 2, aborted: 0 } });
  assert.equal(stats.deepestQueue, 1);
});

test("closing ends running requests and open connections at once", async () => {
  const local = await startPod({ name: "q", models: [{ id: "m" }] });
  const body = JSON.stringify({ messages: [], max_tokens: 10_000 });
  const headers = { "content-type": "application/json" };
  const request = fetch(`${local.url}/v1/chat/completions`, { method: "POST", headers, body });
  request.catch(() => {});
  while (local.engine.runningNow === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const direct = local.engine.submit({ promptTokens: 1, hashes: [], outputTokens: 10_000 });
  await local.close();
  await assert.rejects(request);
  const generated = direct.generated;
  await new Promise((resolve) => setTimeout(resolve, 40));
  assert.equal(direct.generated, generated, "no step after the end");
});

test("options that cannot work are refused at the start", async () => {
  await assert.rejects(
    startPod({ name: "a\r\nb: c", models: [{ id: "m" }] }),
    /^ParamError: name: "a\\r\\nb: c" is not/,
  );
  await assert.rejects(startPod({ name: "a", models: [] }), /models: \[\] is not allowed, expected at least one/);
  await assert.rejects(startPod({ name: "a", models: [{ id: "m", adapters: ["m"] }] }), /models: "m" is not allowed/);
});

test("a multipart body is split at its delimiters only", () => {
  assert.equal(boundaryOf('Multipart/Form-Data; charset=x; boundary="a b"'), "a b");
  assert.equal(boundaryOf("application/json"), null);
  const text =
    'preamble\r\n--b\r\ncontent-DISPOSITION: form-data; name="file"; filename="x"\r\nContent-Type: a/b\r\n\r\n1\r\n-b--b\r\n--b\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--b--\r\nepilogue';
  const parts = parseMultipart(Buffer.from(text), "b");
  assert.deepEqual(
    parts?.map((part) => [part.name, part.filename, part.data.toString()]),
    [
      ["file", "x", "1\r\n-b--b"],
      ["model", undefined, "m"],
    ],
  );
  for (let cut = 0; cut < text.indexOf("--b--\r\nepi"); cut++) {
    assert.equal(parseMultipart(Buffer.from(text.slice(0, cut)), "b"), null, `cut at ${cut}`);
  }
});

test("the command line starts a pod, prints its URL, and ends cleanly on SIGTERM", async () => {
  const main = fileURLToPath(new URL("../../simulator/main.ts", import.meta.url));
  const flags = ["--name", "cli", "--model", "m1", "--lora", "a1", "--slots", "5", "--set", "fail=500"];
  const child = spawn(process.execPath, ["--import", "tsx", main, ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const url = /^cli serves m1 on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(line.toString())?.[1];
  const params = (await (await fetch(`${url}/sim/params`)).json()) as PodParams;
  assert.deepEqual([params.slots, params.fail], [5, "500"]);
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [0, null]);
});
