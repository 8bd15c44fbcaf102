// A whole sidecar whose pods are scraped at a pace. Scrapes of an idle pod become rare, so that each event can be seen to bring one.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { textHash } from "../../../protocol/traffic.ts";
import { parseConfig } from "../../../sidecar/config/load.ts";
import { Access } from "../../../sidecar/credentials/access.ts";
import { Fleet } from "../../../sidecar/fleet.ts";
import { createLog } from "../../../sidecar/log.ts";
import { scrapeOptions } from "../../../sidecar/run/scrape-options.ts";
import { type FakeFilter, SECRET, startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { type FakePod, gauges, startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { endpointOf, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

const SCRAPE = { interval: "20ms", maxInterval: "10m", timeout: "300ms", maxBackoff: "100ms" };
/** With waits that double from 20 ms, an idle pod has this many scrapes only after years. */
const MANY = 40;

async function scene(t: TestContext): Promise<{ pod: FakePod; filter: FakeFilter }> {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  await quickSidecar(t, {
    endpoints: [pod.url],
    targets: [filter.url],
    more: { scrape: SCRAPE, models: { interval: "10m" } },
  });
  await until("a ready pod", () => endpointOf(filter.stored, pod.address)?.ready);
  return { pod, filter };
}

test("each ejection that an Envoy reports brings a scrape", async (t) => {
  const { pod, filter } = await scene(t);
  while (pod.scrapes < MANY) {
    const { scrapes } = pod;
    filter.ejections = (filter.ejections + 1) % 64;
    await until("another scrape", () => pod.scrapes > scrapes);
  }
});

test("a pod whose server ends is down soon, though scrapes are rare", async (t) => {
  const { pod, filter } = await scene(t);
  await until("rare scrapes", () => pod.scrapes >= 5);
  // The next scrape would come after 0.3 s, and the one after it after 0.6 s.
  await pod.close();
  await until("down", () => endpointOf(filter.stored, pod.address)?.ready === false);
});

test("while an Envoy uses queues, a busy pod is scraped at the interval, although the Envoys explain its load", async (t) => {
  const { pod, filter } = await scene(t);
  pod.metrics = gauges(0, 3);
  filter.counts.set(textHash(pod.address), { requests: 3, lasted: 3, pending: 0, sent: 0 });
  filter.usesQueues = true;
  await until("many scrapes", () => pod.scrapes >= MANY);
});

test("while the Envoys explain a pod's load, the pod is scraped about once a second", async (t) => {
  const { pod, filter } = await scene(t);
  filter.counts.set(textHash(pod.address), { requests: 3, lasted: 3, pending: 0, sent: 0 });
  pod.metrics = gauges(0, 3);
  await until("the load", () => endpointOf(filter.stored, pod.address)?.running === 3);
  const before = pod.scrapes;
  const { length } = filter.answers;
  await until("heartbeats", () => filter.answers.length >= length + 20);
  // Twenty heartbeats take two seconds. At the interval there would be a hundred scrapes.
  assert.ok(pod.scrapes - before < MANY, `${pod.scrapes - before} scrapes`);
});

test("a pod that drains is scraped at once, and so is each pod after an ejection", async (t) => {
  const pod = await startPod();
  t.after(() => pod.close());
  const config = parseConfig(
    { endpoints: [pod.url], scrape: SCRAPE, push: { targets: ["http://127.0.0.1:1"] } },
    { PILOTFISH_SECRET: SECRET },
  );
  const access = new Access({ tls: { verify: true }, gzip: false });
  const nothing = () => {};
  const fleet = new Fleet(
    {
      engines: config.engines,
      access,
      concurrency: 10,
      scheme: "http",
      options: scrapeOptions(config),
      traffic: { inFlight: () => 0, reportedSince: () => 0, usesQueues: () => false },
      learns: () => false,
      clock: { now: () => performance.now(), epochMicros: () => 0n },
      log: createLog("silent"),
      random: () => 0.5,
      observer: {
        scraped: nothing,
        received: nothing,
        scrapeFailed: nothing,
        modelsFailed: nothing,
        probeFailed: nothing,
        crowded: nothing,
        changed: nothing,
      },
    },
    { reported: nothing, vanished: nothing },
  );
  t.after(() => fleet.close());
  const found = { address: pod.address, origin: pod.url, engine: "vllm" as const };
  fleet.appeared(found);
  await until("settled", () => fleet.settled);
  while (pod.scrapes < MANY) {
    const { scrapes } = pod;
    const draining = scrapes % 4 < 2;
    if (scrapes % 2 === 0) fleet.hasten();
    else fleet.updated({ ...found, cluster: { ready: true, draining, asleep: false, of: [] } });
    await until("another scrape", () => pod.scrapes > scrapes);
  }
});
