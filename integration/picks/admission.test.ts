// Requests wait, are shed, go on and are aborted on a real Envoy with two workers, in both set-ups of the filter.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "../../envoy/json.ts";
import { FAIRNESS_HEADER, OBJECTIVE_HEADER } from "../../protocol/constants.ts";
import { type Echo, startEcho } from "../../testkit/echo.ts";
import {
  counter,
  counters,
  everyWorkerCounts,
  nothingInFlight,
  push,
  pushToAll,
  snapshotOf,
  startGateway,
} from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { fastPod, feed, known } from "../../testkit/fleet.ts";
import { type Answer, chat, JSON_TYPE, post } from "../../testkit/http.ts";
import { Random } from "../../testkit/random.ts";
import { inParallel, until } from "../../testkit/until.ts";

/** Longest time between two ticks of a worker, and some more for a busy machine. */
const IDLE_TICK_MS = 300;
const OBJECTIVES = { batch: -1, urgent: 10 };
/** A snapshot that is pushed once stays fresh for the whole test. */
const SATURATION = { metricsStalenessThreshold: "3600s" };

/** Configures the filter twice, first as reader and then as holder, as where `allow_on_headers_stop_iteration` cannot be set. */
function addHolder(bootstrap: JsonObject): void {
  // biome-ignore lint/suspicious/noExplicitAny: the bootstrap is Envoy's
  const { listeners } = (bootstrap as any).static_resources;
  const { http_filters: filters } = listeners[0].filter_chains[0].filters[0].typed_config;
  const at = filters.findIndex(({ name }: { name: string }) => name === "envoy.filters.http.wasm");
  const reader = filters[at];
  reader.name = "reader";
  const holder = structuredClone(reader);
  holder.name = "holder";
  const { config } = holder.typed_config;
  config.name = "holder";
  config.root_id = "holder";
  config.configuration.value = JSON.stringify({ role: "holder" });
  filters.splice(at + 1, 0, holder);
}

const SET_UPS = {
  single: {},
  "reader and holder": { role: "reader" },
} as const;

for (const [setUp, role] of Object.entries(SET_UPS)) {
  const reads = "role" in role;

  const start = (endpoints: string[], hold: JsonObject, more: JsonObject = {}): Promise<TestEnvoy> =>
    startGateway(
      {
        pools: [{ name: "pool", models: ["m"], endpoints }],
        filter: { ...role, admission: { mode: "hold", objectives: OBJECTIVES, saturation: SATURATION, hold }, ...more },
        ...(reads && { wasm: { allowOnHeadersStopIteration: false }, edit: addHolder }),
      },
      2,
    );

  describe(setUp, () => {
    const closing: (() => Promise<unknown>)[] = [];
    after(async () => {
      for (const close of closing.reverse()) await close();
    });

    test("a waiting request goes on soon after there is room: on a tick, or when another request ends", async () => {
      const echo = await startEcho("echo");
      closing.push(() => echo.close());
      const envoy = await start([echo.address], { timeout: "120s" });
      closing.push(() => envoy.close());
      const load = (waiting: number) => pushToAll(envoy, { m: { on: [{ ...echo, waiting, running: 8 }] } });
      // The gauge may still count the previous request.
      let held = 0;
      const nextHeld = () => until("it to be held", async () => (await counter(envoy, "held")) === held + 1 && ++held);
      const byTick: number[] = [];
      for (let i = 0; i < 15; i++) {
        await load(9);
        const asked = post(envoy.url, chat("m"));
        await nextHeld();
        const pushed = performance.now();
        await push(envoy.url, snapshotOf({ m: { on: [{ ...echo, waiting: 0, running: 8 }] } }));
        const answer = await asked;
        byTick.push(performance.now() - pushed);
        assert.equal(answer.status, 200, answer.text);
      }
      const byEnd: number[] = [];
      const ends: (() => void)[] = [];
      let arrived = 0;
      echo.reply = (_seen, response) => {
        arrived = performance.now();
        ends.push(() => response.end("{}"));
      };
      for (let i = 0; i < 15; i++) {
        await load(0);
        await everyWorkerCounts(envoy, 0);
        const first = post(envoy.url, chat("m"));
        await until("the first one to arrive", () => ends.length === 1);
        // The next scrape has seen the request. Workers compare it with what they counted on the tick before it.
        await everyWorkerCounts(envoy, 1);
        await sleep(IDLE_TICK_MS);
        await load(5);
        const second = post(envoy.url, chat("m"));
        await nextHeld();
        const ended = performance.now();
        ends.shift()?.();
        await until("the second one to arrive", () => ends.length === 1);
        byEnd.push(arrived - ended);
        ends.shift()?.();
        for (const answer of [await first, await second]) assert.equal(answer.status, 200);
      }
      const shown = (times: number[]) => {
        times.sort((a, b) => a - b);
        return `${times[7]?.toFixed(1)} ms (median), ${times[14]?.toFixed(1)} ms (worst)`;
      };
      console.log(
        `${setUp}: answered ${shown(byTick)} after a push with room; sent ${shown(byEnd)} after another ended`,
      );
      // A tick is 20 ms. The bound allows for a machine that pauses, and is far below the 120 s that a request may wait.
      assert.ok((byTick[7] ?? 0) < 2000 && (byEnd[7] ?? 0) < 2000);
      await nothingInFlight(envoy);
    });

    test("a stream that ends lets another stream of its HTTP/2 connection go on, and all leave the queue when the connection closes", async () => {
      const ends: (() => void)[] = [];
      const echo = await startEcho("echo");
      closing.push(() => echo.close());
      echo.reply = (_seen, response) => void ends.push(() => response.end("{}"));
      const envoy = await start([echo.address], { timeout: "120s" });
      closing.push(() => envoy.close());
      const load = (waiting: number) => pushToAll(envoy, { m: { on: [{ ...echo, waiting, running: 8 }] } });
      const session = http2.connect(envoy.url);
      closing.push(async () => session.destroy());
      const ask = () => {
        const stream = session.request({ ":method": "POST", ":path": "/v1/chat/completions", ...JSON_TYPE });
        stream.on("error", () => {});
        stream.end(JSON.stringify(chat("m")));
        const status = new Promise<number>((resolve) => {
          stream.on("response", (headers) => resolve(Number(headers[":status"])));
          stream.on("close", () => resolve(0));
        });
        stream.resume();
        return status;
      };
      await load(0);
      const first = ask();
      await until("the first one to arrive", () => ends.length === 1);
      await everyWorkerCounts(envoy, 1);
      await sleep(IDLE_TICK_MS);
      await load(5);
      const held = [ask(), ask(), ask()];
      await until("three to be held", async () => (await counter(envoy, "hold.now")) === 3);
      ends.shift()?.();
      assert.equal(await first, 200);
      // The callback that ends one stream lets another stream of the same connection go on.
      await until("another one to arrive", () => ends.length === 1);
      await until("two to be held", async () => (await counter(envoy, "hold.now")) === 2);
      session.destroy();
      assert.deepEqual(await Promise.all(held), [0, 0, 0]);
      await until("nothing to be held", async () => (await counter(envoy, "hold.now")) === 0);
      await nothingInFlight(envoy);
      const values = await counters(envoy);
      // When the connection closes, the end of the running stream may let a waiting stream go on before that stream ends too. So a
      // waiting stream counts as resumed or as aborted.
      const ended = (values.get("resumed") ?? 0) + (values.get("hold.aborted") ?? 0);
      assert.deepEqual([values.get("held"), ended], [3, 3]);
    });

    test("a request for a pool without pods waits until the sidecar finds a pod, or is refused with 503 at the time limit", async () => {
      const directory = mkdtempSync(join(tmpdir(), "pilotfish-"));
      closing.push(async () => rmSync(directory, { recursive: true, force: true }));
      const pod = await fastPod("pod", "m");
      closing.push(() => pod.close());
      const [ip, port] = pod.address.split(":") as [string, string];
      const write = (name: string, object: object) => writeFileSync(join(directory, name), JSON.stringify(object));
      write("pool.json", {
        apiVersion: "inference.networking.k8s.io/v1",
        kind: "InferencePool",
        metadata: { name: "p" },
        spec: { selector: { matchLabels: { app: "x" } }, targetPorts: [{ number: Number(port) }] },
      });
      write("model.json", {
        apiVersion: "inference.networking.x-k8s.io/v1alpha2",
        kind: "InferenceModel",
        metadata: { name: "m" },
        spec: { modelName: "m", poolRef: { name: "p" } },
      });
      const envoy = await start([pod.address], { timeout: "120s" });
      closing.push(() => envoy.close());
      const hasty = await start([pod.address], { timeout: "100ms" });
      closing.push(() => hasty.close());
      const sidecar = await feed({ pods: [], envoys: [envoy, hasty], more: { manifests: { directory } } });
      closing.push(() => sidecar.close());
      await Promise.all([known(envoy, "m"), known(hasty, "m")]);
      const late = await post(hasty.url, chat("m"));
      assert.deepEqual([late.status, late.json.error.code], [503, "no_endpoint"]);
      const asked = Array.from({ length: 10 }, () => post(envoy.url, chat("m")));
      await until("all to be held", async () => (await counter(envoy, "hold.now")) === 10);
      write("pod.json", {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "a", labels: { app: "x" } },
        status: { phase: "Running", podIP: ip, conditions: [{ type: "Ready", status: "True" }] },
      });
      const begun = performance.now();
      for (const answer of await Promise.all(asked)) assert.deepEqual([answer.status, answer.pod], [200, "pod"]);
      console.log(
        `${setUp}: all served ${(performance.now() - begun).toFixed(0)} ms after the pod's manifest was written`,
      );
      await nothingInFlight(envoy);
      // Each worker publishes its count on its own tick.
      await until("nothing to be held", async () => (await counter(envoy, "hold.now")) === 0);
    });

    test("of 10,000 waiting, shed, aborted and retried requests each is answered once, and all counts return to 0", async () => {
      const echoes = await Promise.all(["a", "b", "c"].map((name) => startEcho(name)));
      for (const echo of echoes) closing.push(() => echo.close());
      const envoy = await start(
        echoes.map(({ address }) => address),
        { maxRequests: 40, timeout: "500ms" },
      );
      closing.push(() => envoy.close());
      await storm(setUp, envoy, echoes);
    });
  });
}

/** The status for each request's id, and how often the request reached a pod. */
async function storm(setUp: string, envoy: TestEnvoy, echoes: Echo[]): Promise<void> {
  const total = 10_000;
  const random = new Random(5);
  const reached = new Map<string, number>();
  const broken = new Set<string>();
  for (const echo of echoes) {
    echo.early = (request, response) => {
      const id = String(request.headers["x-id"]);
      reached.set(id, (reached.get(id) ?? 0) + 1);
      // Pods refuse the first attempt of some requests, so Envoy tries the pick's fallback.
      if (!id.endsWith("7") || broken.has(id)) return false;
      broken.add(id);
      request.resume();
      response.writeHead(503).end();
      return true;
    };
    echo.reply = (_seen, response) => void setTimeout(() => response.end("{}"), random.fraction() * 20);
  }
  let busy = true;
  const loads = (async () => {
    while (busy) {
      const full = random.fraction() < 0.5;
      const on = echoes.map((echo) => ({
        ...echo,
        waiting: full ? 5 + random.fraction() * 3 : random.fraction() * 4,
        running: 8,
      }));
      for (const one of on) one.waiting = Math.floor(one.waiting);
      await push(envoy.url, snapshotOf({ m: { on: random.fraction() < 0.05 ? [] : on } }));
      await sleep(40);
    }
  })();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 200 });
  const fates: Record<string, number> = {};
  const tally = (fate: string) => {
    fates[fate] = (fates[fate] ?? 0) + 1;
  };
  const ask = async (id: string): Promise<Answer | undefined> => {
    const objective = ["batch", "urgent", "", ""][Math.floor(random.fraction() * 4)];
    const headers: Record<string, string> = {
      ...JSON_TYPE,
      "x-id": id,
      [FAIRNESS_HEADER]: `t${id.length}${id.at(-1)}`,
    };
    if (objective) headers[OBJECTIVE_HEADER] = objective;
    const leaves = random.fraction() < 0.2 ? AbortSignal.timeout(5 + Math.floor(random.fraction() * 120)) : undefined;
    try {
      const answer = await post(envoy.url, chat("m"), { headers, agent, ...(leaves && { signal: leaves }) });
      tally(answer.status === 200 ? "200" : `${answer.status} ${answer.json.error?.code}`);
      return answer;
    } catch (error) {
      assert.ok(leaves?.aborted, `${id}: ${error}`);
      tally("aborted");
      return undefined;
    }
  };
  await pushToAll(envoy, { m: { on: echoes } });
  const begun = performance.now();
  try {
    await inParallel(total, 180, async (i) => {
      const answer = await ask(`${i}`);
      // A client that gets a retry-after tries once more, with a request of its own.
      if (answer?.status === 429 && random.fraction() < 0.3) await ask(`${i}-again`);
    });
  } finally {
    busy = false;
    await loads;
    agent.destroy();
  }
  console.log(`${setUp}: ${JSON.stringify(fates)} in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  const answered = Object.values(fates).reduce((sum, count) => sum + count, 0);
  assert.ok(answered >= total, `${answered} of ${total}`);
  // The number depends on the speed of the machine.
  for (const fate of ["200", "aborted", "429 saturated"]) assert.ok((fates[fate] ?? 0) > 50, `${fate}: ${fates[fate]}`);
  const known = new Set(["200", "aborted", "429 saturated", "429 queue_full", "503 hold_timeout", "503 no_endpoint"]);
  for (const fate of Object.keys(fates)) assert.ok(known.has(fate), `${fate}: ${fates[fate]}`);
  for (const [id, times] of reached) {
    assert.ok(times <= (broken.has(id) ? 2 : 1), `request ${id} reached a pod ${times} times`);
  }
  await pushToAll(envoy, { m: { on: echoes } });
  await nothingInFlight(envoy);
  await until("nothing to be held", async () => (await counter(envoy, "hold.now")) === 0);
  const values = await counters(envoy);
  const of = (name: string) => values.get(name) ?? 0;
  const ways = ["resumed", "hold.timeout", "hold.no_endpoint", "hold.displaced", "hold.aborted"];
  const ended = ways.reduce((sum, name) => sum + of(name), 0);
  console.log(
    `${setUp}: held ${of("held")}, then ${ways.map((name) => `${name} ${of(name)}`).join(", ")}; shed ${of("shed")}`,
  );
  assert.ok(of("held") > 500, `only ${of("held")} were held`);
  assert.equal(of("held"), ended, "each waiting request went on, was refused or was aborted, once");
  assert.equal(of("untracked"), 0);
}
