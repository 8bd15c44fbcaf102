// A pod whose readings come from another sidecar. The scraper's timers and its clock are the test's; the pod is a real server.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Access } from "../../../sidecar/credentials/access.ts";
import { ENGINES } from "../../../sidecar/engines/index.ts";
import { Fleet } from "../../../sidecar/fleet.ts";
import { createLog } from "../../../sidecar/log.ts";
import type { Pod } from "../../../sidecar/pod.ts";
import { enginePrints, type SharedReading } from "../../../sidecar/scrape/shared/shared-readings.ts";
import { type FakePod, gauges, startPod } from "../../../testkit/sidecar/fake-pod.ts";

const INTERVAL_MS = 100;
const OTHER = 9;
const PRINTS = enginePrints(ENGINES);
/** Taken before a test replaces the timers. */
const nextTurn = setImmediate;

interface Scene {
  server: FakePod;
  fleet: Fleet;
  pod: Pod;
  received: number[];
  /** Lets time pass. */
  pass(ms: number): Promise<void>;
  receive(more?: Partial<SharedReading>, waiting?: number): number;
}

async function scene(
  t: TestContext,
  engine = "auto",
  maxBackoffMs = 1000,
  maxIntervalMs = INTERVAL_MS,
): Promise<Scene> {
  const server = await startPod();
  let now = 1000;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const received: number[] = [];
  const nothing = () => {};
  const observer = {
    scraped: nothing,
    received: (_pod: Pod, seconds: number) => void received.push(seconds),
    scrapeFailed: nothing,
    modelsFailed: nothing,
    probeFailed: nothing,
    crowded: nothing,
    changed: nothing,
  };
  const fleet = new Fleet(
    {
      engines: ENGINES,
      access: new Access({ tls: { verify: true }, gzip: false }),
      concurrency: 10,
      scheme: "http",
      options: {
        pace: { intervalMs: INTERVAL_MS, maxIntervalMs, share: 1 },
        timeoutMs: 10_000,
        path: "/metrics",
        restrict: false,
        maxBytes: 1 << 20,
        failures: 3,
        maxBackoffMs,
        modelsIntervalMs: 60_000,
        modelsDiscovered: true,
      },
      traffic: { inFlight: () => undefined, reportedSince: () => 0, usesQueues: () => false },
      learns: () => false,
      clock: { now: () => now, epochMicros: () => 0n },
      log: createLog("silent"),
      random: () => 0.5,
      observer,
    },
    { reported: nothing, vanished: nothing },
  );
  t.after(async () => {
    fleet.close();
    await server.close();
  });
  /** Lets the pod and the scraper do what they do without time passing. */
  const settle = async () => {
    const seen = () => `${server.scrapes} ${server.modelReads} ${pod.respondedAt} ${pod.health.failures}`;
    for (let before = "", quiet = 0; quiet < 30; quiet = seen() === before ? quiet + 1 : 0) {
      before = seen();
      await new Promise((resolve) => nextTurn(resolve));
    }
  };
  fleet.appeared({ address: server.address, origin: server.url, engine });
  const [pod] = [...fleet.pods()] as [Pod];
  return {
    server,
    fleet,
    pod,
    received,
    async pass(ms) {
      for (let left = ms; left > 0; left--) {
        now++;
        t.mock.timers.tick(1);
        if (left % 10 === 1) await settle();
      }
    },
    receive(more = {}, waiting = 4) {
      const reading = {
        engine: "vllm",
        waiting,
        running: 1,
        kvUsage: 0.5,
        asleep: false,
        kvBlocks: null,
        blockTokens: null,
        offloadGiB: null,
        cacheBytes: null,
        counters: {},
        adapters: null,
        samples: 3,
        malformed: 0,
      };
      const shared = { address: server.address, age: 0, oldest: 0, next: INTERVAL_MS, seconds: 0.01, reading, ...more };
      return fleet.receive(OTHER, [shared], PRINTS, now);
    },
  };
}

test("while readings come the pod is not scraped, and counts as scraped", async (t) => {
  const { server, pod, received, pass, receive } = await scene(t);
  await pass(20);
  const before = server.scrapes;
  assert.ok(before > 0);
  for (let i = 0; i < 20; i++) {
    receive({ age: 5, oldest: 5 }, i);
    await pass(100);
  }
  assert.equal(server.scrapes, before);
  assert.deepEqual([pod.reading?.waiting, pod.health.state, pod.scrapedBy], [19, "ready", OTHER]);
  assert.equal(received.length, 20);
});

test("when no reading comes, the pod is scraped two intervals after the last, and the scrape is this sidecar's own", async (t) => {
  const { server, fleet, pod, pass, receive } = await scene(t);
  await pass(10);
  receive();
  assert.deepEqual(fleet.share(0), [], "what another sidecar read is not passed on");
  const before = server.scrapes;
  await pass(190);
  assert.equal(server.scrapes, before);
  await pass(30);
  assert.equal(server.scrapes, before + 1);
  assert.deepEqual([pod.scrapedBy, pod.reading?.waiting], [undefined, 0]);
  const [own] = fleet.share(0);
  assert.equal(own?.address, pod.address);
  assert.ok(own !== undefined && own.next > 50 && own.next < 150, `${own?.next}`);
});

test("a missing reading is no failure, and a failing own scrape counts while none comes", async (t) => {
  const { server, pod, pass, receive } = await scene(t);
  await pass(10);
  receive();
  server.metrics = (_request, response) => void response.writeHead(500).end();
  await pass(190);
  assert.deepEqual([pod.health.failures, pod.health.ready], [0, true]);
  await pass(700);
  assert.ok(pod.health.failures >= 3);
  assert.equal(pod.health.ready, false);
  server.metrics = gauges(0, 0);
  receive();
  await pass(10);
  assert.equal(pod.health.ready, true);
});

test("an older reading does not replace a newer one, but the other sidecar still scrapes the pod", async (t) => {
  const { server, pod, pass, receive } = await scene(t);
  await pass(10);
  receive({}, 4);
  await pass(20);
  receive({ age: 30, oldest: 30 }, 99);
  assert.equal(pod.reading?.waiting, 4);
  const before = server.scrapes;
  await pass(150);
  assert.equal(server.scrapes, before);
});

test("the age is that of the oldest signal, and readings of the future are ignored", async (t) => {
  const { pod, pass, receive } = await scene(t);
  await pass(100);
  receive({ age: 5, oldest: 60 });
  assert.equal((pod.respondedAt ?? 0) - (pod.scrapedAt ?? 0), 55);
  const at = pod.respondedAt;
  receive({ age: -50, oldest: 0 }, 77);
  assert.deepEqual([pod.respondedAt, pod.reading?.waiting], [at, 4]);
});

test("a long promise of the other sidecar puts off a scrape by two own intervals at most", async (t) => {
  const { server, pass, receive } = await scene(t);
  await pass(10);
  receive({ next: 60_000 });
  const before = server.scrapes;
  await pass(230);
  assert.ok(server.scrapes > before);
});

test("a sidecar that takes over scrapes one interval after the last reading", async (t) => {
  const { server, fleet, pass, receive } = await scene(t);
  await pass(10);
  receive();
  fleet.takeOver();
  const before = server.scrapes;
  await pass(90);
  assert.equal(server.scrapes, before);
  await pass(20);
  assert.equal(server.scrapes, before + 1);
});

test("readings count only for pods that this sidecar found, of engines that both sidecars read alike", async (t) => {
  const { fleet, pod, pass, receive } = await scene(t, "vllm");
  await pass(10);
  const reading = { ...(pod.reading as NonNullable<Pod["reading"]>) };
  assert.equal(receive({ address: "10.9.9.9:1" }), 0);
  assert.equal([...fleet.pods()].length, 1);
  for (const engine of ["sglang", "unknown", "constructor"])
    assert.equal(receive({ reading: { ...reading, engine, counters: {} } }), 0);
  assert.equal(receive(), 1);
});

test("a reading from before an own scrape that failed does not make the pod ready again", async (t) => {
  const { server, fleet, pod, pass, receive } = await scene(t);
  await pass(10);
  await server.close();
  await pass(300);
  assert.deepEqual([pod.health.state, pod.health.failures > 0], ["down", true]);
  const { failures } = pod.health;
  receive({ age: 200, oldest: 200 });
  await pass(1);
  assert.deepEqual([pod.health.state, pod.health.failures], ["down", failures]);
  fleet.close();
});

test("when readings of a pod that failed come and then end, the pod is scraped as soon as any other", async (t) => {
  const { server, pod, pass, receive } = await scene(t, "auto", 60_000);
  await pass(10);
  server.metrics = (_request, response) => void response.writeHead(500).end();
  await pass(2000);
  assert.ok(pod.health.failures >= 4);
  server.metrics = gauges(0, 0);
  receive();
  const before = server.scrapes;
  await pass(330);
  assert.ok(server.scrapes > before);
});

test("a pod to which something happened is scraped soon, unless the other sidecar reads it sooner", async (t) => {
  const { server, fleet, pass, receive } = await scene(t, "auto", 1000, 2000);
  await pass(200);
  receive({ next: 2000 });
  const before = server.scrapes;
  fleet.hasten();
  await pass(100);
  receive({ next: 2000 });
  await pass(1000);
  assert.equal(server.scrapes, before, "the other sidecar has read the pod");
  fleet.hasten();
  await pass(620);
  assert.equal(server.scrapes, before + 1);
});

test("a sidecar that takes over during an own scrape scrapes one interval after the last reading", async (t) => {
  const { server, fleet, pass, receive } = await scene(t);
  await pass(200);
  const open: Array<() => void> = [];
  const good = gauges(0, 0);
  server.metrics = (request, response) => void open.push(() => void good(request, response));
  await pass(120);
  assert.equal(open.length, 1);
  receive();
  fleet.takeOver();
  server.metrics = good;
  for (const end of open) end();
  const before = server.scrapes;
  await pass(130);
  assert.ok(server.scrapes > before);
});
