// Several Envoys receive each other's traffic through a sidecar.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelSums } from "../../../protocol/model-sums.ts";
import type { RemoteCounts } from "../../../protocol/snapshot.ts";
import { SnapshotError } from "../../../protocol/snapshot-error.ts";
import { textHash } from "../../../protocol/traffic.ts";
import { decodeReport, encodeReport, type TrafficReport } from "../../../protocol/traffic-report.ts";
import { systemClock } from "../../../sidecar/clock.ts";
import { parseConfig } from "../../../sidecar/config/load.ts";
import { WATCH_TIMES } from "../../../sidecar/kubernetes/watch.ts";
import { createLog } from "../../../sidecar/log.ts";
import { EnvoyTraffic } from "../../../sidecar/push/envoy-traffic.ts";
import { Envoys } from "../../../sidecar/push/envoys.ts";
import { openCredentials } from "../../../sidecar/run/credential-files.ts";
import { EndpointIndex } from "../../../sidecar/snapshot/endpoint-index.ts";
import type { SnapshotSource } from "../../../sidecar/snapshot/source.ts";
import { freePorts } from "../../../testkit/ports.ts";
import { type FakeFilter, SECRET, startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { text } from "../../../testkit/sidecar/listen.ts";
import { QUICK_PUSH, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { startScene } from "../../../testkit/sidecar/scene.ts";
import { until } from "../../../testkit/until.ts";

const counts = (requests: number, lasted = requests, pending = 0, sent = 0): RemoteCounts => ({
  requests,
  lasted,
  pending,
  sent,
});

/** Requests of other Envoys on the endpoint, as this Envoy was told last. */
const requestsElsewhere = (filter: FakeFilter | undefined, hash: bigint) =>
  filter?.traffic && (filter.traffic.counts.get(hash)?.requests ?? 0);

const sums = (first: number): ModelSums => ({
  requests: first,
  cachedTokens: first + 1,
  bytes: [0, 1, 2, 3, 4].map((i) => first + 2 + i),
  usageRequests: first + 7,
  usageTokens: 0xffffffff,
  usageBytes: [0, 1, 2, 3, 4].map((i) => first + 9 + i),
  fit: [first, 0.5, 1e30, 1e30 / 3, 2 ** 120],
});

test("each Envoy receives the sum of the other Envoys' in-flight requests, without its own requests", async (t) => {
  const { pod, hash, filters } = await startScene(t, 3);
  for (const [i, filter] of filters.entries()) filter.counts.set(hash, counts(10 ** i, 10 ** i - 1, 100, 7));
  await quickSidecar(t, { endpoints: [pod.url], targets: filters.map(({ url }) => url) });
  for (const [i, sum] of [110, 101, 11].entries()) {
    await until(`Envoy ${i} to know of the others`, () => requestsElsewhere(filters[i], hash) === sum);
    assert.deepEqual(filters[i]?.traffic?.counts.get(hash), counts(sum, sum - 2, 200, 14));
    assert.equal(filters[i]?.traffic?.envoys, 2);
    assert.equal(filters[i]?.stored?.remote, undefined, "snapshots have no traffic");
  }
  filters[0].counts.clear();
  await until("the end of the first one's requests", () => requestsElsewhere(filters[1], hash) === 100);
});

test("a changed count reaches the other Envoys even if no pod's metrics change, since the sidecar asks without a push", async (t) => {
  const { pod, hash, filters } = await startScene(t, 2);
  const push = { ...QUICK_PUSH, targets: filters.map(({ url }) => url), heartbeat: "10s" };
  await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push } });
  await until("an exchange", () => filters[1]?.traffic);
  for (const requests of [3, 4, 5]) {
    filters[0].counts.set(hash, counts(requests));
    await until(`${requests} requests`, () => requestsElsewhere(filters[1], hash) === requests);
  }
  assert.ok(filters[0].polls > 3);
});

test("without learning and exchange, a single Envoy is asked for no traffic report and receives no traffic", async (t) => {
  const { pod, filters } = await startScene(t, 1);
  let asked: unknown = "never";
  const [filter] = filters;
  filter.counts.set(1n, counts(1));
  const more = { learn: { enabled: false }, push: { ...QUICK_PUSH, targets: [filter.url], exchange: false } };
  await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url], more });
  await until("five pushes", () => filter.answers.length >= 5);
  assert.deepEqual([filter.stored?.remote, filter.traffic], [undefined, undefined]);
  assert.equal(filter.reportsRead, 0);
  filter.instead = (request, response) => {
    asked = request.headers["x-pilotfish-report"];
    text("{}")(request, response);
  };
  await until("another push", () => asked !== "never");
  assert.equal(asked, undefined);
});

test("an Envoy with two addresses counts once, and not in the sum that it receives", async (t) => {
  const { pod, hash, filters } = await startScene(t, 2);
  const [first, second] = filters as unknown as [FakeFilter, FakeFilter];
  first.counts.set(hash, counts(5));
  const alias = first.url.replace("127.0.0.1", "localhost");
  const push = { ...QUICK_PUSH, targets: [first.url, second.url], peers: { targets: [alias] } };
  await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push } });
  await until("the second to know", () => requestsElsewhere(second, hash) === 5);
  await until("a report by the other address", () => first.reportsRead - first.polls > 1);
  await until(
    "a further push",
    (
      (before) => () =>
        second.trafficPushes > before
    )(second.trafficPushes),
  );
  assert.deepEqual([requestsElsewhere(second, hash), second.traffic?.envoys], [5, 1]);
  assert.deepEqual([requestsElsewhere(first, hash), first.traffic?.envoys], [0, 1]);
});

test("peers are asked and never pushed to: with a sidecar beside each Envoy all receive each other's traffic", async (t) => {
  const { pod, hash, filters } = await startScene(t, 2);
  const [first, second] = filters as unknown as [FakeFilter, FakeFilter];
  first.counts.set(hash, counts(2));
  second.counts.set(hash, counts(3));
  for (const [own, other] of [[first, second] as const, [second, first] as const]) {
    const push = { ...QUICK_PUSH, targets: [own.url], peers: { targets: [other.url] } };
    await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push } });
  }
  await until("the first to know", () => requestsElsewhere(first, hash) === 3);
  await until("the second to know", () => requestsElsewhere(second, hash) === 2);
});

test("an Envoy that is gone is forgotten; when it is back, its new traffic reports count", async (t) => {
  const { pod, hash, filters } = await startScene(t, 1);
  const [other] = filters;
  const [port = 0] = await freePorts(1);
  const dying = await startFilter(port);
  dying.counts.set(hash, counts(9));
  await quickSidecar(t, { endpoints: [pod.url], targets: [dying.url, other.url] });
  const received = () => requestsElsewhere(other, hash);
  await until("nine elsewhere", () => received() === 9);
  await dying.close();
  await until("none elsewhere", () => (received() ?? 0) === 0);
  const back = await startFilter(port);
  t.after(() => back.close());
  back.counts.set(hash, counts(1));
  await until("one elsewhere", () => received() === 1);
});

test("a traffic push has each prefix update once; an update never comes back to its own Envoy", async (t) => {
  const { pod, hash, filters } = await startScene(t, 2);
  const [first, second] = filters as unknown as [FakeFilter, FakeFilter];
  await quickSidecar(t, { endpoints: [pod.url], targets: [first.url, second.url] });
  await until("an exchange", () => second.traffic);
  first.prefixes.push({ endpoint: hash, seed: 7n, units: 32, number: 0n, blocks: [1n, 2n] });
  await until("a prefix update", () => second.received.length > 0);
  first.prefixes.push({ endpoint: hash, seed: 7n, units: 32, number: 0n, blocks: [3n] });
  await until("another one", () => second.received.length > 1);
  await until(
    "a further push",
    (
      (before) => () =>
        second.trafficPushes > before
    )(second.trafficPushes),
  );
  assert.deepEqual(
    second.received.map(({ blocks }) => blocks),
    [[1n, 2n], [3n]],
  );
  assert.deepEqual(first.received, []);
});

test("the sums of each Envoy are handed on, also those of a single Envoy", async (t) => {
  const { pod, filters } = await startScene(t, 1);
  const [filter] = filters;
  filter.sums.set(textHash("llama"), sums(3));
  const config = parseConfig(
    { endpoints: [pod.url], push: { ...QUICK_PUSH, targets: [filter.url] } },
    { PILOTFISH_SECRET: SECRET },
  );
  const log = createLog("silent");
  const { secrets, envoys: certificates } = openCredentials(config, log);
  const received = new Map<bigint, TrafficReport["sums"]>();
  const envoys = new Envoys(config.push, {
    log,
    secrets,
    certificates,
    clock: systemClock,
    random: () => 0.5,
    failed: () => {},
    pushed: () => {},
    resolve: async () => [],
    watchTimes: WATCH_TIMES,
    snapshots: {} as SnapshotSource,
    source: 1n,
    measured: (instance, all) => received.set(instance, all),
  });
  t.after(() => envoys.close());
  const known = await until("sums", () => received.get(filter.instance));
  assert.deepEqual(known, filter.sums);
  filter.sums.set(textHash("qwen"), sums(5));
  await until("the second model", () => received.get(filter.instance)?.size === 2);
});

test("a broken traffic report is refused as a whole, and the push counts as unexpected", async (t) => {
  const { pod, filters } = await startScene(t, 2);
  const [bad, good] = filters as unknown as [FakeFilter, FakeFilter];
  const report = {
    version: 1n,
    instance: 9n,
    emptied: 0,
    pieceBytes: 512,
    usesQueues: false,
    ejections: 0,
    ring: 0n,
    end: 0n,
    news: 0,
    collector: 0,
    counts: new Map([[5n, counts(1, 2)]]),
    sums: new Map(),
  };
  bad.instead = text(Buffer.from(encodeReport({ ...report, prefixes: new Uint8Array(0) })));
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [bad.url, good.url] });
  await until("pushes", () => good.answers.length >= 5 && bad.answers.length >= 2);
  assert.equal(good.traffic?.envoys ?? 0, 0);
  const body = await (await fetch(`${sidecar.url}/metrics`)).text();
  assert.match(body, new RegExp(`pushes_total\\{target="${bad.url}",result="unexpected"\\} [1-9]`));
});

test("a traffic report that is too short or too long, has a hash twice, or exceeds a limit is refused", () => {
  const whole = encodeReport({
    version: 1n,
    instance: 2n,
    emptied: 255,
    pieceBytes: 64,
    usesQueues: true,
    ejections: 63,
    ring: 3n,
    end: 4n,
    news: 5,
    collector: 6,
    counts: new Map([
      [5n, counts(6, 5, 4, 3)],
      [7n, counts(1)],
    ]),
    sums: new Map([
      [8n, sums(1)],
      [9n, sums(100)],
    ]),
    prefixes: new Uint8Array(new BigUint64Array([5n, 6n, 2n, 8n, 9n]).buffer),
  });
  assert.deepEqual(encodeReport(decodeReport(whole)), whole);
  for (let length = 0; length < whole.length; length++)
    assert.throws(() => decodeReport(whole.subarray(0, length)), SnapshotError, `${length} bytes`);
  const edits: Array<[number, number, string]> = [
    [0, 0x51, "magic"],
    [4, 2, "major"],
    [12, 3, "records"],
    [48, 6, "words"],
    [64 + 24, 5, "a hash twice"],
    [64 + 12, 7, "more that lasted than there are"],
    [64 + 11, 1, "2^24 requests and more"],
    [52, 1, "fewer sums"],
    [55, 1, "more sums than fit"],
    [64 + 48, 0, "no hash of a model"],
    [64 + 48 + 104, 8, "a model's hash twice"],
    [64 + 48 + 64 + 7, 0xc0, "a negative sum"],
    [64 + 48 + 64 + 7, 0x7f, "an infinite sum, or none"],
    [64 + 48 + 208 + 16, 0, "no blocks"],
    [64 + 48 + 208 + 16, 3, "blocks behind the end"],
  ];
  for (const [at, value, what] of edits) {
    const broken = whole.slice();
    broken[at] = value;
    assert.throws(() => decodeReport(broken), SnapshotError, what);
  }
  assert.throws(() => decodeReport(Buffer.concat([whole, Buffer.alloc(8)])), SnapshotError);
});

test("a filter of a release without traffic reports gets pushes, and the other filters exchange their reports", async (t) => {
  const { pod, hash, filters } = await startScene(t, 3);
  const [old, first, second] = filters as unknown as [FakeFilter, FakeFilter, FakeFilter];
  old.reporting = false;
  first.counts.set(hash, counts(4));
  await quickSidecar(t, { endpoints: [pod.url], targets: filters.map(({ url }) => url) });
  await until("the second to know", () => requestsElsewhere(second, hash) === 4);
  await until("the old one to be pushed to", () => old.answers.length > 5);
  assert.deepEqual(new Set(old.answers), new Set([200]));
});

test("filters without polls are asked at the interval, and get the others' traffic with snapshots; others get traffic pushes", async (t) => {
  const { pod, hash, filters } = await startScene(t, 3);
  const [old, older, current] = filters as unknown as [FakeFilter, FakeFilter, FakeFilter];
  for (const filter of [old, older]) filter.polling = false;
  for (const [i, filter] of filters.entries()) filter.counts.set(hash, counts(10 ** i));
  await quickSidecar(t, { endpoints: [pod.url], targets: filters.map(({ url }) => url) });
  for (const [filter, sum] of [[old, 110] as const, [older, 101] as const])
    await until(`${sum} requests elsewhere`, () => filter.stored?.remote?.counts[pod.address]?.requests === sum);
  await until("11 requests elsewhere", () => requestsElsewhere(current, hash) === 11);
  assert.deepEqual([old.trafficPushes, older.polls, current.stored?.remote], [0, 0, undefined]);
  old.prefixes.push({ endpoint: hash, seed: 7n, units: 32, number: 0n, blocks: [1n, 2n] });
  const update = await until("a prefix update", () => older.stored?.prefixes?.[0]);
  assert.deepEqual(update.blocks, [1n, 2n]);
  assert.ok(update.number > 0n);
  old.prefixes.push({ endpoint: hash, seed: 7n, units: 32, number: 0n, blocks: [3n] });
  const both = await until("both", () => (older.stored?.prefixes?.length === 2 ? older.stored.prefixes : undefined));
  assert.ok((both[1]?.number ?? 0n) > (both[0]?.number ?? 0n));
  assert.equal(old.stored?.prefixes, undefined);
  await until("the updates to end", () => older.stored?.prefixes === undefined);
  assert.equal(current.received.length, 2);
});

test("an Envoy's prefix updates take at most 64 KiB and stay half a second, whatever their number", () => {
  let now = 0;
  const traffic = new EnvoyTraffic(() => now);
  const words = new BigUint64Array(3 + 200).fill(1n);
  words[2] = 200n;
  const report = {
    version: 1n,
    emptied: 0,
    pieceBytes: 512,
    usesQueues: false,
    ejections: 0,
    ring: 1n,
    end: 1n,
    news: 1,
    collector: 0,
    counts: new Map(),
    sums: new Map(),
    prefixes: new Uint8Array(words.buffer),
  };
  for (let i = 0; i < 1000; i++) {
    traffic.receive("a", { ...report, instance: 1n });
    now += 0.1;
  }
  const index = new EndpointIndex(["10.0.0.1:80"]);
  const others = traffic.othersOf("b", index);
  assert.ok(others !== undefined && others.prefixes.length > 60_000 && others.prefixes.length <= 65_536);
  now += 600;
  assert.equal(traffic.othersOf("b", index)?.prefixes.length, 0);
  now += 1000;
  assert.equal(traffic.othersOf("b", index), undefined, "and the Envoy itself for 1.5 s");
});
