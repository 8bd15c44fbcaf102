// The pages of a pod's metrics over HTTP: paths, name[], several API server processes, and what a page keeps waiting.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "../../simulator/clock.ts";
import { scrapeMs } from "../../simulator/page-cost.ts";
import type { PodParams } from "../../simulator/params.ts";
import { type Pod, startPod } from "../../simulator/pod.ts";
import { sample, shapeOf } from "./exposition-lines.ts";

async function withPod(params: Partial<PodParams>, use: (pod: Pod) => Promise<void>): Promise<void> {
  const pod = await startPod({ name: "p", models: [{ id: "m" }], params });
  try {
    await use(pod);
  } finally {
    await pod.close();
  }
}

async function page(pod: Pod, path: string): Promise<string> {
  const response = await fetch(`${pod.url}${path}`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/plain; version=1.0.0; charset=utf-8");
  return response.text();
}

const TWO = "name[]=vllm:num_requests_running&name[]=vllm:request_prefill_time_seconds_sum";
const TWO_LINES = [
  "# HELP vllm:num_requests_running Number of requests in model execution batches.",
  "# TYPE vllm:num_requests_running gauge",
  'vllm:num_requests_running{engine="0",model_name="m"}',
  "# HELP vllm:request_prefill_time_seconds Histogram of time spent in PREFILL phase for request.",
  "# TYPE vllm:request_prefill_time_seconds histogram",
  'vllm:request_prefill_time_seconds_sum{engine="0",model_name="m"}',
  "",
];

test("/metrics/ has only the samples that name[] names, with their families, also percent-encoded", async () => {
  await withPod({}, async (pod) => {
    assert.deepEqual(shapeOf(await page(pod, `/metrics/?${TWO}`)), TWO_LINES);
    const encoded = TWO.replaceAll("[]", "%5B%5D").replaceAll(":", "%3A");
    assert.deepEqual(shapeOf(await page(pod, `/metrics/?${encoded}`)), TWO_LINES);
    assert.deepEqual(shapeOf(await page(pod, "/metrics/?name[]=vllm:num_requests_run")), [""]);
  });
});

test("without the slash or without a name the page is whole", async () => {
  await withPod({}, async (pod) => {
    const whole = shapeOf(pod.metrics());
    for (const path of ["/metrics", `/metrics?${TWO}`, "/metrics/", "/metrics/?name[]=", "/metrics/?names=x"])
      assert.deepEqual(shapeOf(await page(pod, path)), whole, path);
  });
});

test("process_start_time_seconds is the time at which the pod started", async () => {
  const before = Date.now() / 1000;
  await withPod({}, async (pod) => {
    const started = sample(
      await page(pod, "/metrics/?name[]=process_start_time_seconds"),
      "process_start_time_seconds",
    );
    assert.ok(started >= before - 1 && started <= Date.now() / 1000 + 1, `${started}`);
  });
});

test("with several API server processes a restricted page is empty, and a whole one has no process_ and no _created family", async () => {
  await withPod({ apiServers: 2 }, async (pod) => {
    assert.equal(await page(pod, `/metrics/?${TWO}`), "");
    const lines = (await page(pod, "/metrics")).split("\n");
    assert.ok(lines.some((line) => line.startsWith("vllm:num_requests_running{")));
    for (const line of lines) assert.doesNotMatch(line, /^(# (HELP|TYPE) )?((process|python)_|[^ {]*_created)/);
  });
});

test("a server can ignore the query, answer it with an empty page, or not know the path", async () => {
  await withPod({ nameQuery: "ignored" }, async (pod) => {
    assert.deepEqual(shapeOf(await page(pod, `/metrics/?${TWO}`)), shapeOf(pod.metrics()));
    pod.set({ nameQuery: "empty" });
    assert.equal(await page(pod, `/metrics/?${TWO}`), "");
    pod.set({ nameQuery: "not-found" });
    assert.equal((await fetch(`${pod.url}/metrics/?${TWO}`)).status, 404);
    assert.deepEqual(shapeOf(await page(pod, "/metrics")), shapeOf(pod.metrics()));
  });
});

test("Ray's agent renders its page itself: it charges the pod nothing, and knows only /metrics", async () => {
  await withPod({ rayReportMs: 1000 }, async (pod) => {
    await page(pod, "/metrics");
    assert.equal((await fetch(`${pod.url}/metrics/?${TWO}`)).status, 404);
    assert.deepEqual([pod.stats().scrapes, pod.stats().scrapeMs], [0, 0]);
  });
});

test("each page is charged by its bytes", async () => {
  await withPod({}, async (pod) => {
    const whole = (await page(pod, "/metrics")).length;
    const some = (await page(pod, `/metrics/?${TWO}`)).length;
    const { scrapes, scrapeMs: charged } = pod.stats();
    assert.equal(scrapes, 2);
    assert.equal(charged, scrapeMs(pod.params, whole) + scrapeMs(pod.params, some));
  });
});

/** Advances a simulated clock until `done`. Between two steps the event loop runs once, so that HTTP goes on. */
async function advanceUntil(clock: SimClock, done: () => boolean): Promise<void> {
  for (let steps = 0; !done(); steps++) {
    assert.ok(steps < 10_000, "nothing happens any more");
    clock.advance(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("while a page is rendered no token is delivered and no request accepted; the engine's steps go on", async () => {
  const clock = new SimClock(1_800_000_000_000);
  const params = { stepBaseMs: 10, prefillTokenMs: 0, sequenceMs: 0, contextTokenMs: 0, scrapeRequestMs: 1000 };
  const pod = await startPod({ name: "p", models: [{ id: "m" }], clock, params: { ...params, scrapeByteMs: 0 } });
  try {
    const ask = () =>
      fetch(`${pod.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ messages: [], max_tokens: 5, stream: true }),
      });
    const first = ask();
    await advanceUntil(clock, () => pod.stats().running === 1);
    const scraped = fetch(`${pod.url}/metrics`);
    await advanceUntil(clock, () => pod.stats().scrapes === 1);
    const began = clock.now();
    let answered: number | undefined;
    const reading = first
      .then((response) => response.text())
      .then((text) => {
        answered = clock.now();
        return text;
      });
    const second = ask();
    await advanceUntil(clock, () => clock.now() >= began + 900);
    // All five tokens are computed, the second request was not accepted, and the client got no end.
    assert.deepEqual([pod.stats().generatedTokens, pod.stats().received, answered], [5, 1, undefined]);
    await advanceUntil(clock, () => answered !== undefined && pod.stats().finished === 2);
    assert.ok((answered as number) >= began + 1000 - 1, `${answered}`);
    const text = await reading;
    assert.ok(text.endsWith("data: [DONE]\n\n"));
    for (const response of [await scraped, await second]) assert.ok((await response.text()).length > 0);
  } finally {
    await pod.close();
  }
});

test("a page occupies only the process of its connection", async () => {
  const clock = new SimClock(1_800_000_000_000);
  const params = { apiServers: 2, scrapeRequestMs: 1000, scrapeByteMs: 0 };
  const pod = await startPod({ name: "p", models: [{ id: "m" }], clock, params });
  try {
    const [page, health] = [fetch(`${pod.url}/metrics`), fetch(`${pod.url}/health`)];
    assert.equal((await health).status, 200);
    await advanceUntil(clock, () => clock.now() >= 1_800_000_002_000);
    assert.equal((await page).status, 200);
  } finally {
    await pod.close();
  }
});
