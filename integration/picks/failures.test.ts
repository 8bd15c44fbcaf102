// Failures of the sidecar, of a pod and of Envoy, and what clients see of them.
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import type { Sidecar } from "../../sidecar/sidecar.ts";
import type { Pod } from "../../simulator/pod.ts";
import { around } from "../../testkit/around.ts";
import { nothingInFlight, readBack, readBackFromAll, rises, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { fastPod, feed, known, SLOW } from "../../testkit/fleet.ts";
import { type Answer, chat, post } from "../../testkit/http.ts";
import { envoyPorts, freePorts } from "../../testkit/ports.ts";
import { until } from "../../testkit/until.ts";

let pods: Pod[] = [];
let envoy: TestEnvoy;
let sidecar: Sidecar;

around(
  async () => {
    const ports = await freePorts(3);
    pods = await Promise.all(
      ["a", "b", "c"].map((name, i) => fastPod(name, "m", { params: SLOW, port: ports[i] as number })),
    );
    envoy = await startGateway({
      ...(await envoyPorts()),
      pools: [{ name: "pool", models: ["m"], endpoints: pods.map(({ address }) => address) }],
      filter: { snapshot: { staleAfter: "3s" } },
    });
    sidecar = await feed({ pods, envoys: [envoy] });
    await known(envoy, "m");
  },
  async () => {
    await sidecar?.close();
    await envoy?.close();
    await Promise.all(pods.map((pod) => pod.close()));
  },
);

const short = () => post(envoy.url, chat("m"));

test("with the sidecar gone, requests go on without a pick, and each is counted as stale", async () => {
  await sidecar.close();
  await until("the snapshot to be stale for every worker", async () =>
    (await readBackFromAll(envoy.url)).every(({ json }) => json.stale),
  );
  const rise = await rises(envoy, async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, short));
    for (const answer of answers) assert.equal(answer.status, 200, answer.text);
  });
  assert.deepEqual(rise, { requests: 30, stale: 30 });
});

test("the pushes of a restarted sidecar are used", async () => {
  sidecar = await feed({ pods, envoys: [envoy] });
  await known(envoy, "m");
  assert.equal((await rises(envoy, short)).picked, 1);
});

test("the next push fills an Envoy that was killed and started again", async () => {
  await envoy.kill();
  await envoy.start();
  await known(envoy, "m");
  const rise = await rises(envoy, short);
  assert.deepEqual(rise, { requests: 1, picked: 1 });
});

test("an Envoy without a snapshot routes by model, and counts the missing snapshot", async () => {
  await sidecar.close();
  await envoy.restart();
  const rise = await rises(envoy, async () => assert.equal((await short()).status, 200));
  assert.deepEqual(rise, { requests: 1, no_snapshot: 1 });
  sidecar = await feed({ pods, envoys: [envoy] });
  await known(envoy, "m");
});

test("when a pod refuses, the pick's fallback answers, and a counter rises", async () => {
  // Envoy retries a request that a pod refused, but not a request that a pod accepted and dropped.
  const [full] = pods as [Pod, Pod, Pod];
  full.set({ maxQueuedReqs: 1, slots: 1 });
  try {
    const rise = await rises(envoy, async () => {
      const answers = await Promise.all(Array.from({ length: 30 }, short));
      assert.deepEqual(
        answers.map(({ status }) => status).filter((status) => status !== 200),
        [],
      );
    });
    assert.equal(rise.picked, 30);
    assert.ok((rise.rerouted ?? 0) > 0, JSON.stringify(rise));
  } finally {
    full.set({ maxQueuedReqs: 0, slots: 128 });
  }
});

interface Streamed {
  pod: string;
  /** Resolves at the end of the stream: whether the answer was complete. */
  whole: Promise<boolean>;
}

/** A stream whose answer has begun. It lasts half a minute unless the test makes its pod faster. */
function streamed(): Promise<Streamed> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify(chat("m", { stream: true, max_tokens: 600 }));
    const request = http.request(`${envoy.url}/v1/chat/completions`, {
      method: "POST",
      agent: false,
      headers: { "content-type": "application/json" },
    });
    request.on("error", reject);
    request.on("response", (response) => {
      let text = "";
      const whole = new Promise<boolean>((done) => {
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("error", () => done(false));
        response.on("close", () => done(text.endsWith("data: [DONE]\n\n")));
      });
      resolve({ pod: String(response.headers["x-inference-pod"]), whole });
    });
    request.end(body);
  });
}

let dying: Pod;

test("a pod that dies ends its own streams and no other request", async () => {
  const streams = await Promise.all(Array.from({ length: 24 }, streamed));
  const on = (name: string) => streams.filter(({ pod }) => pod === name).length;
  dying = pods.find(({ name }) => name === streams[0]?.pod) as Pod;
  const exposed = on(dying.name);
  assert.ok(exposed < 24, "all streams are on one pod");

  // Short requests run all the time. Those that begin after the death must not fail.
  let over = false;
  let died = Number.POSITIVE_INFINITY;
  const shorts: { begun: number; answer: Answer | Error }[] = [];
  const traffic = Array.from({ length: 8 }, async () => {
    while (!over) {
      const begun = performance.now();
      const answer = await short().catch((error: Error) => error);
      shorts.push({ begun, answer });
    }
  });
  await until("traffic", () => shorts.length >= 16);
  await dying.close();
  died = performance.now();
  await until("40 requests after the death", () => shorts.filter(({ begun }) => begun > died).length >= 40);
  over = true;
  await Promise.all(traffic);
  for (const pod of pods) pod.set({ stepBaseMs: 1 });

  const broken = (await Promise.all(streams.map(({ whole }) => whole))).filter((whole) => !whole).length;
  const failed = shorts.filter(({ answer }) => answer instanceof Error || answer.status !== 200);
  console.log(
    `${broken} of 24 streams broke, ${exposed} were on the pod; ${failed.length} of ${shorts.length} others failed`,
  );
  assert.equal(broken, exposed);
  for (const { begun, answer } of failed) {
    const what = answer instanceof Error ? answer.message : `${answer.status} ${answer.text}`;
    assert.ok(begun < died, `a request that began after the death failed: ${what}`);
  }
  // Each of the eight clients had at most one short request in flight when the pod died.
  assert.ok(failed.length <= 8, `${failed.length} failed`);
});

test("a dead pod leaves the picks after its scrapes fail, and returns after its restart", async () => {
  const dead = dying;
  const ready = async () => {
    const { endpoints } = (await readBack(envoy.url)).json as { endpoints: { address: string; ready: boolean }[] };
    return endpoints.find(({ address }) => address === dead.address)?.ready;
  };
  await until("the pod to be down", async () => (await ready()) === false);
  // This makes every worker use the snapshot.
  await known(envoy, "m");
  const rise = await rises(envoy, async () => {
    for (let i = 0; i < 20; i++) assert.equal((await short()).status, 200);
  });
  assert.deepEqual(rise, { requests: 20, picked: 20 }, "no request is retried any more");

  const again = await fastPod(dead.name, "m", { params: SLOW, port: dead.port });
  pods[pods.indexOf(dead)] = again;
  await until("the pod to be up", async () => (await ready()) === true);
  await until("the pod to be picked", async () => {
    await Promise.all(Array.from({ length: 6 }, short));
    return again.stats().received > 0;
  });
});

test("at the end nothing is counted as in flight", async () => {
  await nothingInFlight(envoy);
});
