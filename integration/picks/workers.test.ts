// Two workers, each with a VM of its own: one push reaches both, and they share the load evenly.
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { DESTINATION_HEADER } from "../../protocol/constants.ts";
import type { Sidecar } from "../../sidecar/sidecar.ts";
import type { Pod } from "../../simulator/pod.ts";
import { around } from "../../testkit/around.ts";
import { type Echo, startEcho } from "../../testkit/echo.ts";
import { counter, everyWorkerCounts, push, snapshotOf, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { FAST, fastPod, feed, known } from "../../testkit/fleet.ts";
import { chat, JSON_TYPE, open, post } from "../../testkit/http.ts";
import { inParallel, until } from "../../testkit/until.ts";

/** A tick is 20 ms; the rest of the limit is an allowance for a busy machine. A snapshot that needed a second push would never arrive. */
const VISIBLE_MS = 1000;
const PUSHES = 15;
/**
 * Idle pods are drawn at random: 10 % are 5.5 standard deviations of a pod's share of 6,000, with odds of 1 in 10^7 for three pods.
 * Between equal pods, profile `tokens` decides by the load that scrapes show beyond the filter's own counts. For requests of one
 * millisecond this load is noise that lasts, and cost a pod up to an eighth of its share.
 */
const EVEN = [
  { profile: "load", requests: 6000, off: 0.1 },
  { profile: "tokens", requests: 2000, off: 0.5 },
];

let echo: Echo;
let byHand: TestEnvoy;

around(
  async () => {
    echo = await startEcho("echo-1");
    const models = Array.from({ length: PUSHES + 1 }, (_, i) => `m${i}`);
    byHand = await startGateway({ pools: [{ name: "echo", models, endpoints: [echo.address] }] }, 2);
  },
  async () => {
    await byHand?.close();
    await echo?.close();
  },
);

interface Connection {
  agent: http.Agent;
  worker: number;
}

/** Open connections, each with the worker that serves it. */
async function connections(envoy: TestEnvoy, count: number): Promise<Connection[]> {
  const result: Connection[] = [];
  const active = async (): Promise<number[]> => {
    const stats = await envoy.stats("^listener\\.llm\\.worker_[01]\\.downstream_cx_active$");
    return [0, 1].map((worker) => stats.get(`listener.llm.worker_${worker}.downstream_cx_active`) ?? 0);
  };
  for (let i = 0; i < count; i++) {
    const before = await active();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    await post(envoy.url, chat("m0"), { agent });
    const worker = await until("the connection to be counted", async () => {
      const grown = (await active()).findIndex((now, at) => now > (before[at] ?? 0));
      return grown >= 0 ? { grown } : undefined;
    });
    result.push({ agent, worker: worker.grown });
  }
  return result;
}

test("a snapshot pushed once is used by both workers, soon after the push", async () => {
  const open = await connections(byHand, 4);
  const workers = [0, 1].map((worker) => open.filter((one) => one.worker === worker));
  assert.deepEqual(
    workers.map((list) => list.length),
    [2, 2],
    "connections are spread evenly",
  );
  const took: number[][] = [[], []];
  try {
    for (let i = 1; i <= PUSHES; i++) {
      const answer = await push(byHand.url, snapshotOf({ [`m${i}`]: { on: [echo] } }));
      assert.equal(answer.status, 200, answer.text);
      const pushed = performance.now();
      // Only this snapshot has the model, so a pick for it shows that the worker uses the snapshot.
      await Promise.all(
        workers.map(async (list, worker) => {
          const agent = list[i % 2]?.agent as http.Agent;
          await until(`worker ${worker} to use push ${i}`, async () => {
            const begun = performance.now();
            const answer = await post(byHand.url, chat(`m${i}`), { agent });
            if (answer.json.headers[DESTINATION_HEADER] !== echo.address) return false;
            took[worker]?.push(begun - pushed);
            return true;
          });
        }),
      );
    }
  } finally {
    for (const { agent } of open) agent.destroy();
  }
  for (const [worker, times] of took.entries()) {
    times.sort((a, b) => a - b);
    const [median, worst] = [times[PUSHES >> 1] as number, times.at(-1) as number];
    console.log(`worker ${worker}: visible after ${median.toFixed(0)} ms (median), ${worst.toFixed(0)} ms (worst)`);
    assert.ok(median <= VISIBLE_MS, `median ${median} ms`);
  }
});

for (const { profile, requests, off } of EVEN)
  test(`${profile}: of ${requests} short requests over three equal, idle pods each pod gets the mean share, within ${off * 100} %`, async () => {
    const pods: Pod[] = await Promise.all(["a", "b", "c"].map((name) => fastPod(name, "even")));
    const endpoints = pods.map(({ address }) => address);
    const pools = [{ name: "even", models: ["even"], endpoints }];
    const envoy = await startGateway({ pools, filter: { pick: { profile } } }, 2);
    let sidecar: Sidecar | undefined;
    const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
    try {
      sidecar = await feed({ pods, envoys: [envoy] });
      await known(envoy, "even");
      await inParallel(requests, 16, async () => {
        assert.equal((await post(envoy.url, chat("even"), { agent })).status, 200);
      });
      const got = pods.map((pod) => pod.stats().received);
      const mean = requests / 3;
      const spread = got.map((count) => `${((count / mean - 1) * 100).toFixed(1)} %`);
      console.log(`${profile}, ${requests} requests: ${got.join(", ")} (${spread.join(", ")} off the mean)`);
      assert.equal(
        got.reduce((sum, count) => sum + count, 0),
        requests,
      );
      for (const count of got) assert.ok(Math.abs(count - mean) < mean * off, `${got.join(", ")}`);
      assert.equal(await counter(envoy, "picked"), requests);
      const stats = await envoy.stats("^listener\\.llm\\.worker_[01]\\.downstream_cx_total$");
      for (const [name, count] of stats) assert.ok(count >= 4, `${name}: ${count}, both workers had a share`);
    } finally {
      agent.destroy();
      await sidecar?.close();
      await envoy.close();
      await Promise.all(pods.map((pod) => pod.close()));
    }
  });

test("a pod whose queue is longer by 5 gets nothing until the others have caught up, then its share", async () => {
  // The answers are long, so each request stays in flight.
  const lasting = { params: { ...FAST, stepBaseMs: 200 } };
  const pods = await Promise.all(["busy", "idle-1", "idle-2"].map((name) => fastPod(name, "queue", lasting)));
  const [busy, ...idle] = pods as [Pod, Pod, Pod];
  busy.set({ extraWaiting: 5 });
  const envoy = await startGateway(
    { pools: [{ name: "queue", models: ["queue"], endpoints: pods.map(({ address }) => address) }] },
    2,
  );
  let sidecar: Sidecar | undefined;
  const held: http.ClientRequest[] = [];
  try {
    sidecar = await feed({ pods, envoys: [envoy] });
    await known(envoy, "queue");
    const body = JSON.stringify(chat("queue", { stream: true, max_tokens: 20_000 }));
    for (let sent = 0; busy.stats().received === 0; sent++) {
      assert.ok(sent < 60, `after ${sent} requests the busy pod still has none`);
      const request = open(envoy.url, { headers: JSON_TYPE, body });
      held.push(request);
      request.on("error", () => {});
      await new Promise<void>((resolve) => request.once("response", (response) => resolve(void response.resume())));
      // Workers publish their counts on their ticks; the next pick must count this request.
      await everyWorkerCounts(envoy, sent + 1);
    }
    const before = idle.map((pod) => pod.stats().received);
    console.log(`the busy pod got its first request when the others had ${before.join(" and ")}`);
    // One less than the queue, because a request counts twice while a scrape shows it and a worker has not received its count.
    for (const count of before) assert.ok(count >= 4, `idle pods had ${before.join(" and ")}`);
    assert.ok(Math.abs((before[0] ?? 0) - (before[1] ?? 0)) <= 2, `idle pods had ${before.join(" and ")}`);
  } finally {
    for (const request of held) request.destroy();
    await sidecar?.close();
    await envoy.close();
    await Promise.all(pods.map((pod) => pod.close()));
  }
});
