// In-flight counts are exact however a request ends. Of 10,000 requests, clients abort a third at any moment, and pods reset others
// or refuse them, so that Envoy retries. At the end every count is zero.
import assert from "node:assert/strict";
import http from "node:http";
import http2 from "node:http2";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sidecar } from "../../sidecar/sidecar.ts";
import type { Pod } from "../../simulator/pod.ts";
import { around } from "../../testkit/around.ts";
import { type Echo, startEcho } from "../../testkit/echo.ts";
import { counter, counters, inFlight, nothingInFlight, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { fastPod, feed, known } from "../../testkit/fleet.ts";
import { chat, JSON_TYPE } from "../../testkit/http.ts";
import { Random } from "../../testkit/random.ts";
import { inParallel, until } from "../../testkit/until.ts";

const REQUESTS = 10_000;
const WIDTH = 48;

let pods: Pod[] = [];
let moody: Echo;
let envoy: TestEnvoy;
let sidecar: Sidecar;
const random = new Random(4711);

around(
  async () => {
    const params = { stepBaseMs: 2, prefillTokenMs: 0, sequenceMs: 0, slots: 8 };
    pods = await Promise.all(["a", "b"].map((name) => fastPod(name, "m", { params })));
    // Refuses a request with 503, which Envoy retries elsewhere.
    pods[1]?.set({ maxQueuedReqs: 6 });
    moody = await startEcho("moody", ["m"]);
    // Resets before or in the middle of the answer, or answers; sometimes before the body is read.
    moody.early = (request) => random.fraction() < 0.1 && request.socket.destroy() !== undefined;
    moody.reply = (_seen, response, request) => {
      const mood = random.fraction();
      if (mood < 0.2) return void request.socket.resetAndDestroy();
      response.write("data: {}\n\n");
      if (mood < 0.4) return void setTimeout(() => request.socket.resetAndDestroy(), random.fraction() * 5);
      setTimeout(() => response.end("data: [DONE]\n\n"), random.fraction() * 5);
    };
    const addresses = [...pods, moody].map(({ address }) => address);
    envoy = await startGateway({ pools: [{ name: "pool", models: ["m"], endpoints: addresses }], retries: 2 });
    sidecar = await feed({ pods: [...pods, moody], envoys: [envoy] });
    await known(envoy, "m");
  },
  async () => {
    await sidecar?.close();
    await envoy?.close();
    await Promise.all([...pods, moody].map((one) => one?.close()));
  },
);

type Phase = "none" | "body" | "waiting" | "stream";
const ended: Record<string, number> = {};
const note = (how: string) => {
  ended[how] = (ended[how] ?? 0) + 1;
};

function bodyOf(stream: boolean): Buffer {
  const padding = "x".repeat(Math.floor(random.fraction() * 3000));
  return Buffer.from(
    JSON.stringify({ ...chat("m", { stream, max_tokens: 1 + Math.floor(random.fraction() * 8) }), padding }),
  );
}

/** Sends over HTTP/1. Resolves when the request has ended in any way. */
function overHttp1(agent: http.Agent, phase: Phase): Promise<void> {
  const body = bodyOf(phase === "stream" || random.fraction() < 0.5);
  const delay = random.fraction() * 8;
  return new Promise((resolve) => {
    const url = `${envoy.url}/v1/chat/completions`;
    const headers = { ...JSON_TYPE, "content-length": body.length };
    const request = http.request(url, { method: "POST", agent, headers });
    request.on("error", () => note("failed"));
    request.on("close", () => resolve());
    request.on("response", (response) => {
      note(String(response.statusCode));
      response.on("error", () => note("cut"));
      if (phase === "stream") response.once("data", () => request.destroy());
      response.resume();
    });
    if (phase === "body") request.write(body.subarray(0, body.length >> 1));
    else request.end(body);
    if (phase === "body" || phase === "waiting") sleep(delay).then(() => request.destroy());
  });
}

/** Sends over HTTP/2. An abort resets one stream, and the connection stays. */
function overHttp2(session: http2.ClientHttp2Session, phase: Phase): Promise<void> {
  const body = bodyOf(true);
  const delay = random.fraction() * 8;
  return new Promise((resolve) => {
    const headers = { ":method": "POST", ":path": "/v1/chat/completions", ...JSON_TYPE };
    const stream = session.request(headers);
    // close() would send the end of the body first.
    const giveUp = () => void stream.destroy(new Error("given up"));
    stream.on("error", () => note("failed"));
    stream.on("close", () => resolve());
    stream.on("response", (head) => note(String(head[":status"])));
    if (phase === "stream") stream.once("data", giveUp);
    stream.resume();
    if (phase === "body") stream.write(body.subarray(0, body.length >> 1));
    else stream.end(body);
    if (phase === "body" || phase === "waiting") sleep(delay).then(giveUp);
  });
}

test(`after ${REQUESTS} requests, a third of them aborted by the client, every in-flight count is zero`, async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: WIDTH });
  const sessions = Array.from({ length: 4 }, () => http2.connect(envoy.url));
  const phases: Phase[] = ["body", "waiting", "stream", "none", "none", "none", "none", "none", "none"];
  let highest = 0;
  let over = false;
  const watch = (async () => {
    while (!over) {
      highest = Math.max(highest, await counter(envoy, "in_flight"));
      await sleep(100);
    }
  })();
  let aborted = 0;
  try {
    await inParallel(REQUESTS, WIDTH, async (index) => {
      const phase = phases[index % phases.length] as Phase;
      if (phase !== "none") aborted++;
      const session = sessions[index % 16];
      await (session ? overHttp2(session, phase) : overHttp1(agent, phase));
    });
  } finally {
    over = true;
    await watch;
    agent.destroy();
    for (const session of sessions) session.close();
  }
  assert.ok(aborted > REQUESTS * 0.33, `${aborted} aborted`);
  assert.ok(highest > 0, "the gauge was above zero in between");

  await nothingInFlight(envoy);
  for (const counts of await inFlight(envoy)) assert.equal(counts.size, 3);
  for (const pod of pods) {
    await until(`pod ${pod.name} to be idle`, () => pod.stats().running + pod.stats().waiting === 0);
    const { received, finished, aborted: left, refused } = pod.stats();
    assert.equal(finished + left + refused, received, pod.name);
  }

  const counts = await counters(envoy);
  console.log(`${aborted} aborted, at most ${highest} in flight; ends: ${JSON.stringify(ended)}`);
  console.log(`counters: ${JSON.stringify(Object.fromEntries(counts))}`);
  // A request whose body was never complete has no outcome. All others got a pick.
  const picked = counts.get("picked") ?? 0;
  assert.ok(picked >= REQUESTS * 0.75 && picked <= REQUESTS, `${picked} picks`);
  assert.equal(counts.get("invalid_body"), 0);
  assert.ok((counts.get("rerouted") ?? 0) > 0, "some were retried at another pod");
  assert.ok((ended.failed ?? 0) + (ended.cut ?? 0) > 0, "some were reset by the pod");
});

test("the count still works: a long request counts as one, then as none", async () => {
  pods[0]?.set({ stepBaseMs: 100 });
  pods[1]?.set({ stepBaseMs: 100 });
  moody.early = undefined;
  moody.reply = () => {};
  const request = http.request(`${envoy.url}/v1/chat/completions`, {
    method: "POST",
    agent: false,
    headers: JSON_TYPE,
  });
  request.on("error", () => {});
  request.end(JSON.stringify(chat("m", { max_tokens: 1000 })));
  await until("one in flight", async () => (await counter(envoy, "in_flight")) === 1);
  request.destroy();
  await until("none in flight", async () => (await counter(envoy, "in_flight")) === 0);
});
