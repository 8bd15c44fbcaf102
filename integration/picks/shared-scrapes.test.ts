// Three Envoys with a sidecar beside each, and four pods that note who scrapes them. One sidecar reads each pod, and the others get its
// readings through their Envoys. The tests kill the collector, pause it, and cut it off from a pod.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { around } from "../../testkit/around.ts";
import { readBack, SECRET, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { envoyPorts } from "../../testkit/ports.ts";
import { type Listening, listen } from "../../testkit/sidecar/listen.ts";
import { until } from "../../testkit/until.ts";

const MAIN = fileURLToPath(new URL("../../sidecar/main.ts", import.meta.url));
const INTERVAL_MS = 500;
/** The timers of a busy machine are late by this much. */
const ALLOWANCE_MS = 600;

interface Scrape {
  at: number;
  /** Number of the sidecar, as its token says. */
  by: number;
}

interface WatchedPod extends Listening {
  scrapes: Scrape[];
  waiting: number;
  /** Sidecars whose connections the pod closes. */
  cut: Set<number>;
}

let pods: WatchedPod[] = [];
let envoys: TestEnvoy[] = [];
const sidecars = new Map<number, ChildProcess>();
const folder = mkdtempSync(join(tmpdir(), "pilotfish-"));

async function startPod(): Promise<WatchedPod> {
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/metrics") !== true) {
      response.end(JSON.stringify({ data: [{ id: "m" }] }));
      return;
    }
    const by = Number(request.headers.authorization?.slice("Bearer sidecar".length));
    if (pod.cut.has(by)) {
      request.socket.destroy();
      return;
    }
    pod.scrapes.push({ at: performance.now(), by });
    response.end(
      `vllm:num_requests_waiting{engine="0"} ${pod.waiting}\nvllm:num_requests_running{engine="0"} 1\n` +
        'vllm:kv_cache_usage_perc{engine="0"} 0.5\n',
    );
  });
  const pod: WatchedPod = { ...(await listen(server)), scrapes: [], waiting: 0, cut: new Set() };
  return pod;
}

function startSidecar(number: number): void {
  const file = (name: string, text: string) => {
    const path = join(folder, `${name}${number}`);
    writeFileSync(path, text);
    return path;
  };
  const config = {
    endpoints: pods.map(({ url }) => url),
    scrape: { interval: `${INTERVAL_MS}ms`, bearerTokenFile: file("token", `sidecar${number}`) },
    push: { targets: [envoys[number]?.url], peers: { targets: envoys.map(({ url }) => url) }, secret: SECRET },
    listen: "127.0.0.1:0",
    log: { level: "warn" },
  };
  const path = file("config", JSON.stringify(config));
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, "--config", path], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  sidecars.set(number, child);
}

around(
  async () => {
    pods = await Promise.all([startPod(), startPod(), startPod(), startPod()]);
    const pool = { name: "pool", models: ["m"], endpoints: pods.map(({ address }) => address) };
    envoys = await Promise.all(
      [0, 1, 2].map(async () =>
        startGateway({ ...(await envoyPorts()), pools: [pool], filter: { snapshot: { staleAfter: "5s" } } }, 2),
      ),
    );
    for (const number of envoys.keys()) startSidecar(number);
    // Each scrapes each pod once when it starts.
    await until("all sidecars", () => scrapersSince(0).length === envoys.length);
  },
  async () => {
    for (const child of sidecars.values()) child.kill("SIGKILL");
    await Promise.all(envoys.map((envoy) => envoy.close()));
    await Promise.all(pods.map((pod) => pod.close()));
    rmSync(folder, { recursive: true, force: true });
  },
);

/** The sidecars that scraped any of these pods since a time. */
function scrapersSince(since: number, of: readonly WatchedPod[] = pods): number[] {
  return [...new Set(of.flatMap(({ scrapes }) => scrapes.filter(({ at }) => at >= since).map(({ by }) => by)))];
}

/** Waits until one sidecar alone has scraped all pods for three intervals. Returns its number. */
async function onlyScraper(): Promise<number> {
  return until("one sidecar that scrapes", () => {
    const since = performance.now() - 3 * INTERVAL_MS;
    const [by, ...others] = scrapersSince(since);
    const all = pods.every(({ scrapes }) => scrapes.some(({ at }) => at >= since));
    return all && by !== undefined && others.length === 0 ? { by } : undefined;
  }).then(({ by }) => by);
}

/** The longest time without a scrape of a pod since `since`, ms. */
function longestGap({ scrapes }: WatchedPod, since: number): number {
  const times = [since, ...scrapes.map(({ at }) => at).filter((at) => at >= since), performance.now()];
  return Math.max(...times.map((at, i) => at - (times[i - 1] ?? at)));
}

/** How long, ms, two sidecars scraped a pod in turns since `since`: from the first change of its scraper to the last one. */
function sharedFor({ scrapes }: WatchedPod, since: number): number {
  const changes = scrapes.filter(({ at, by }, i) => at >= since && i > 0 && scrapes[i - 1]?.by !== by);
  return (changes.at(-1)?.at ?? 0) - (changes[0]?.at ?? 0);
}

interface SeenPod {
  address: string;
  ready: boolean;
  waiting: number;
  scrapeAgeMs: number;
}

const seen = async (envoy: TestEnvoy): Promise<SeenPod[]> => (await readBack(envoy.url)).json.endpoints ?? [];

test("one sidecar scrapes each pod, and all three Envoys know what it read", async () => {
  const by = await onlyScraper();
  const since = performance.now();
  for (const waiting of [3, 1, 4]) {
    for (const pod of pods) pod.waiting = waiting;
    const changed = performance.now();
    for (const envoy of envoys)
      await until(`${waiting} waiting`, async () => (await seen(envoy)).every((pod) => pod.waiting === waiting));
    console.log(`${waiting} waiting: known by all Envoys after ${(performance.now() - changed).toFixed(0)} ms`);
  }
  let oldest = 0;
  for (let i = 0; i < 40; i++) {
    for (const envoy of envoys)
      for (const { ready, scrapeAgeMs } of await seen(envoy)) {
        assert.ok(ready);
        oldest = Math.max(oldest, scrapeAgeMs);
      }
    await sleep(50);
  }
  console.log(`oldest reading in any Envoy: ${oldest} ms`);
  const scrapes = pods.flatMap((pod) => pod.scrapes.filter(({ at }) => at >= since));
  const others = scrapes.filter((one) => one.by !== by).length;
  console.log(`${scrapes.length} scrapes, ${others} of them by other sidecars`);
  // Where the collector's process gets no CPU for an interval, the others scrape once.
  assert.ok(others <= scrapes.length * 0.05);
  assert.ok(oldest < 3 * INTERVAL_MS, `${oldest} ms`);
});

test("when the collector is killed, another sidecar scrapes: no pod is unknown for three intervals, or scraped by two for two", async () => {
  const killed = await onlyScraper();
  const since = performance.now();
  sidecars.get(killed)?.kill("SIGKILL");
  sidecars.delete(killed);
  await sleep(4000);
  const by = await onlyScraper();
  assert.notEqual(by, killed);
  const gaps = pods.map((pod) => Math.round(longestGap(pod, since)));
  const shared = pods.map((pod) => Math.round(sharedFor(pod, since)));
  const restarted = performance.now();
  startSidecar(killed);
  // It scrapes each pod once when it starts.
  await until("the new sidecar", () => scrapersSince(restarted).includes(killed));
  console.log(`killed: longest gaps ${gaps.join(", ")} ms; scraped by two for ${shared.join(", ")} ms`);
  assert.ok(Math.max(...gaps) < 3 * INTERVAL_MS + ALLOWANCE_MS);
  assert.ok(Math.max(...shared) < 2 * INTERVAL_MS + ALLOWANCE_MS);
});

test("a pod that the collector cannot reach is scraped by the others, and stays ready where it is reached", async () => {
  const collector = await onlyScraper();
  const [pod, ...rest] = pods as [WatchedPod, ...WatchedPod[]];
  pod.cut.add(collector);
  const since = performance.now();
  await sleep(3000).finally(() => pod.cut.clear());
  const others = [0, 1, 2].filter((number) => number !== collector);
  console.log(
    `cut off: longest gap ${longestGap(pod, since).toFixed(0)} ms, scraped by ${scrapersSince(since, [pod])}`,
  );
  assert.ok(longestGap(pod, since) < 3 * INTERVAL_MS + ALLOWANCE_MS);
  assert.deepEqual(scrapersSince(since, [pod]).sort(), others);
  assert.deepEqual(scrapersSince(since, rest), [collector]);
  for (const number of others) {
    const one = (await seen(envoys[number] as TestEnvoy)).find(({ address }) => address === pod.address);
    assert.equal(one?.ready, true);
  }
  assert.equal(await onlyScraper(), collector);
});

test("a collector that is paused and comes back does not scrape beside the sidecar that has taken over", async () => {
  const paused = await onlyScraper();
  let since = performance.now();
  sidecars.get(paused)?.kill("SIGSTOP");
  await sleep(4000);
  const gaps = pods.map((pod) => Math.round(longestGap(pod, since)));
  console.log(`paused: longest gaps ${gaps.join(", ")} ms`);
  assert.ok(Math.max(...gaps) < 3 * INTERVAL_MS + ALLOWANCE_MS);
  since = performance.now();
  sidecars.get(paused)?.kill("SIGCONT");
  await sleep(3000);
  await onlyScraper();
  const shared = pods.map((pod) => Math.round(sharedFor(pod, since)));
  console.log(`continued: scraped by two for ${shared.join(", ")} ms`);
  assert.ok(Math.max(...shared) < 2 * INTERVAL_MS + ALLOWANCE_MS);
});

test("two sidecars with one Envoy: the one that stands by does not scrape", async () => {
  for (const child of sidecars.values()) child.kill("SIGKILL");
  sidecars.clear();
  const all = envoys;
  envoys = [all[0] as TestEnvoy, all[0] as TestEnvoy];
  try {
    const began = performance.now();
    for (const number of [0, 1]) startSidecar(number);
    await until("both sidecars", () => scrapersSince(began).length === 2);
    const first = await onlyScraper();
    const since = performance.now();
    await sleep(2000);
    assert.deepEqual(scrapersSince(since), [first]);
    const killedAt = performance.now();
    sidecars.get(first)?.kill("SIGKILL");
    await sleep(2500);
    assert.equal(await onlyScraper(), 1 - first);
    assert.ok(Math.max(...pods.map((pod) => longestGap(pod, killedAt))) < 3 * INTERVAL_MS + ALLOWANCE_MS);
  } finally {
    envoys = all;
  }
});
