// Several Envoys: what they tell each other through a sidecar, how they are found, who pushes to them, by which secret.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { RemoteCounts } from "../../../protocol/snapshot.ts";
import { SnapshotError } from "../../../protocol/snapshot-error.ts";
import { addressHash } from "../../../protocol/traffic.ts";
import { decodeReport, encodeReport } from "../../../protocol/traffic-report.ts";
import { apiClient } from "../../../sidecar/kubernetes/api-client.ts";
import { createLog } from "../../../sidecar/log.ts";
import { envoySources } from "../../../sidecar/push/find.ts";
import { Reports } from "../../../sidecar/push/reports.ts";
import { EndpointIndex } from "../../../sidecar/snapshot/endpoint-index.ts";
import { TOKEN } from "../../../testkit/kubernetes/fake-api-server.ts";
import { pod as podObject } from "../../../testkit/kubernetes/objects.ts";
import { PODS, startServer, TIMES } from "../../../testkit/kubernetes/watched.ts";
import { freePorts } from "../../../testkit/ports.ts";
import { type FakeFilter, SECRET, startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { text } from "../../../testkit/sidecar/listen.ts";
import { QUICK_PUSH, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

const counts = (requests: number, lasted = requests, pending = 0, sent = 0): RemoteCounts => ({
  requests,
  lasted,
  pending,
  sent,
});
async function scene(t: TestContext, count: number) {
  const pod = await startPod();
  const filters = await Promise.all(Array.from({ length: count }, () => startFilter()));
  for (const server of [pod, ...filters]) t.after(() => server.close());
  return { pod, hash: addressHash(pod.address), filters: filters as [FakeFilter, ...FakeFilter[]] };
}

test("each Envoy is told the sum of what the others have in flight, and nothing of itself", async (t) => {
  const { pod, hash, filters } = await scene(t, 3);
  for (const [i, filter] of filters.entries()) filter.counts.set(hash, counts(10 ** i, 10 ** i - 1, 100, 7));
  await quickSidecar(t, { endpoints: [pod.url], targets: filters.map(({ url }) => url) });
  const told = (filter: FakeFilter | undefined) => filter?.stored?.remote?.counts[pod.address];
  for (const [i, sum] of [110, 101, 11].entries()) {
    await until(`Envoy ${i} to know of the others`, () => told(filters[i])?.requests === sum);
    assert.deepEqual(told(filters[i]), counts(sum, sum - 2, 200, 14));
    assert.equal(filters[i]?.stored?.remote?.envoys, 2);
  }
  filters[0].counts.clear();
  await until("the end of the first one's requests", () => told(filters[1])?.requests === 100);
});

test("counts that change are told to the others though no pod's metrics change, and asked for without a push", async (t) => {
  const { pod, hash, filters } = await scene(t, 2);
  const push = { ...QUICK_PUSH, targets: filters.map(({ url }) => url), heartbeat: "10s" };
  await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push } });
  await until("a snapshot", () => filters[1]?.stored?.remote);
  for (const requests of [3, 4, 5]) {
    filters[0].counts.set(hash, counts(requests));
    await until(`${requests} requests`, () => filters[1]?.stored?.remote?.counts[pod.address]?.requests === requests);
  }
  assert.ok(filters[0].reportsRead > 3);
});

test("a single Envoy is asked for nothing and told of nobody", async (t) => {
  const { pod, filters } = await scene(t, 1);
  let asked: unknown = "never";
  const [filter] = filters;
  filter.counts.set(1n, counts(1));
  await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url] });
  await until("five pushes", () => filter.answers.length >= 5);
  assert.equal(filter.stored?.remote, undefined);
  assert.equal(filter.reportsRead, 0);
  filter.instead = (request, response) => {
    asked = request.headers["x-pilotfish-report"];
    text("{}")(request, response);
  };
  await until("another push", () => asked !== "never");
  assert.equal(asked, undefined);
});

test("an Envoy that is known by two addresses is one, and not its own other", async (t) => {
  const { pod, hash, filters } = await scene(t, 2);
  const [first, second] = filters as unknown as [FakeFilter, FakeFilter];
  first.counts.set(hash, counts(5));
  const alias = first.url.replace("127.0.0.1", "localhost");
  const push = { ...QUICK_PUSH, targets: [first.url, second.url], peers: { targets: [alias] } };
  await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push } });
  await until("the second to know", () => second.stored?.remote?.counts[pod.address]?.requests === 5);
  await until("reads by the other address", () => first.reportsRead > 5);
  assert.equal(second.stored?.remote?.counts[pod.address]?.requests, 5);
  assert.equal(second.stored?.remote?.envoys, 1);
  assert.equal(first.stored?.remote?.counts[pod.address]?.requests, 0);
});

test("peers are asked and never pushed to: a sidecar beside each Envoy is enough for all to know of each other", async (t) => {
  const { pod, hash, filters } = await scene(t, 2);
  const [first, second] = filters as unknown as [FakeFilter, FakeFilter];
  first.counts.set(hash, counts(2));
  second.counts.set(hash, counts(3));
  for (const [own, other] of [[first, second] as const, [second, first] as const]) {
    const push = { ...QUICK_PUSH, targets: [own.url], peers: { targets: [other.url] } };
    await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push } });
  }
  await until("the first to know", () => first.stored?.remote?.counts[pod.address]?.requests === 3);
  await until("the second to know", () => second.stored?.remote?.counts[pod.address]?.requests === 2);
});

test("an Envoy that is gone is forgotten; one that came back is another one", async (t) => {
  const { pod, hash, filters } = await scene(t, 1);
  const [other] = filters;
  const [port = 0] = await freePorts(1);
  const dying = await startFilter(port);
  dying.counts.set(hash, counts(9));
  await quickSidecar(t, { endpoints: [pod.url], targets: [dying.url, other.url] });
  const told = () => other.stored?.remote?.counts[pod.address]?.requests;
  await until("nine elsewhere", () => told() === 9);
  await dying.close();
  await until("none elsewhere", () => (told() ?? 0) === 0);
  const back = await startFilter(port);
  t.after(() => back.close());
  back.counts.set(hash, counts(1));
  await until("one elsewhere", () => told() === 1);
});

test("prefixes go to the others, numbered, and for a while with each push; not back to whom they came from", async (t) => {
  const { pod, hash, filters } = await scene(t, 2);
  const [first, second] = filters as unknown as [FakeFilter, FakeFilter];
  await quickSidecar(t, { endpoints: [pod.url], targets: [first.url, second.url] });
  await until("an exchange", () => second.stored?.remote);
  first.prefixes.push({ endpoint: hash, seed: 7n, number: 0n, blocks: [1n, 2n] });
  const news = await until("news", () => second.stored?.prefixes?.[0]);
  assert.deepEqual(news.blocks, [1n, 2n]);
  assert.ok(news.number > 0n);
  first.prefixes.push({ endpoint: hash, seed: 7n, number: 0n, blocks: [3n] });
  const both = await until("both", () => (second.stored?.prefixes?.length === 2 ? second.stored.prefixes : undefined));
  assert.ok((both[1]?.number ?? 0n) > (both[0]?.number ?? 0n));
  assert.equal(first.stored?.prefixes, undefined);
  await until("news to be old", () => second.stored?.prefixes === undefined);
});

test("a report that is not whole is not taken, and says so", async (t) => {
  const { pod, filters } = await scene(t, 2);
  const [bad, good] = filters as unknown as [FakeFilter, FakeFilter];
  const report = { version: 1n, instance: 9n, ring: 0n, end: 0n, counts: new Map([[5n, counts(1, 2)]]) };
  bad.instead = text(Buffer.from(encodeReport({ ...report, prefixes: new Uint8Array(0) })));
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [bad.url, good.url] });
  await until("pushes", () => good.answers.length >= 5 && bad.answers.length >= 2);
  assert.equal(good.stored?.remote, undefined);
  const body = await (await fetch(`${sidecar.url}/metrics`)).text();
  assert.match(body, new RegExp(`pushes_total\\{target="${bad.url}",result="unexpected"\\} [1-9]`));
});

test("every byte of a report counts: cut, longer, with a hash twice, beyond a limit, it is refused", () => {
  const whole = encodeReport({
    version: 1n,
    instance: 2n,
    ring: 3n,
    end: 4n,
    counts: new Map([
      [5n, counts(6, 5, 4, 3)],
      [7n, counts(1)],
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
    [64 + 48 + 16, 0, "no blocks"],
    [64 + 48 + 16, 3, "blocks behind the end"],
  ];
  for (const [at, value, what] of edits) {
    const broken = whole.slice();
    broken[at] = value;
    assert.throws(() => decodeReport(broken), SnapshotError, what);
  }
  assert.throws(() => decodeReport(Buffer.concat([whole, Buffer.alloc(8)])), SnapshotError);
});

test("a filter of an older release is pushed to as ever, and the others are told of those that report", async (t) => {
  const { pod, hash, filters } = await scene(t, 3);
  const [old, first, second] = filters as unknown as [FakeFilter, FakeFilter, FakeFilter];
  old.reporting = false;
  first.counts.set(hash, counts(4));
  await quickSidecar(t, { endpoints: [pod.url], targets: filters.map(({ url }) => url) });
  await until("the second to know", () => second.stored?.remote?.counts[pod.address]?.requests === 4);
  await until("the old one to be pushed to", () => old.answers.length > 5);
  assert.deepEqual(new Set(old.answers), new Set([200]));
});

test("memory: an Envoy's news are kept up to 64 KiB and half a second, however many come", () => {
  let now = 0;
  const reports = new Reports(() => now);
  const words = new BigUint64Array(3 + 200).fill(1n);
  words[2] = 200n;
  const told = { version: 1n, ring: 1n, end: 1n, counts: new Map(), prefixes: new Uint8Array(words.buffer) };
  for (let i = 0; i < 1000; i++) {
    reports.heard("a", { ...told, instance: 1n });
    now += 0.1;
  }
  const index = new EndpointIndex(["10.0.0.1:80"]);
  const others = reports.othersOf("b", index);
  assert.ok(others !== undefined && others.prefixes.length > 60_000 && others.prefixes.length <= 65_536);
  now += 600;
  assert.equal(reports.othersOf("b", index)?.prefixes.length, 0);
  now += 1000;
  assert.equal(reports.othersOf("b", index), undefined, "and the Envoy itself for 1.5 s");
});

test("where another sidecar pushes, this one stands by, is ready, and takes over when it may", async (t) => {
  const { pod, filters } = await scene(t, 1);
  const [filter] = filters;
  filter.heldMs = 30;
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url] });
  await until("three tries", () => filter.answers.length >= 3);
  assert.equal(sidecar.readiness().ready, true);
  assert.equal(filter.stored, undefined);
  filter.heldMs = undefined;
  await until("a snapshot", () => filter.stored);
});

test("a snapshot is complete once each pod was asked, and not while most of them do not answer", async (t) => {
  const pods = [await startPod(), await startPod(), await startPod()];
  const filter = await startFilter();
  for (const server of [...pods, filter]) t.after(() => server.close());
  await quickSidecar(t, { endpoints: pods.map(({ url }) => url), targets: [filter.url] });
  await until("a complete one", () => filter.stored?.complete);
  for (const pod of pods.slice(1)) pod.metrics = () => {};
  await until("an incomplete one", () => filter.stored !== undefined && filter.stored.complete !== true);
  pods[1]?.close();
  assert.equal(filter.stored?.endpoints.length, 3);
});

test("a reload keeps the sidecar's id, so that no filter takes it for another one", async (t) => {
  const { pod, filters } = await scene(t, 1);
  const [filter] = filters;
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url] });
  const before = (await until("a snapshot", () => filter.stored)).source;
  const { parseConfig } = await import("../../../sidecar/config/load.ts");
  const next = { endpoints: [pod.url], push: { ...QUICK_PUSH, targets: [filter.url] }, listen: "127.0.0.1:0" };
  await sidecar.reload(parseConfig(next, { PILOTFISH_SECRET: SECRET }));
  await until("a further one", () => filter.answers.length > 3);
  assert.equal(filter.stored?.source, before);
});

test("Envoys behind a name come and go with its addresses, each filled when it appears", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  const port = Number(filter.address.split(":")[1]);
  let addresses = ["127.0.0.1"];
  const push = { ...QUICK_PUSH, dns: [{ name: "envoy.test", port, interval: "100ms" }] };
  const parts = { resolve: async () => addresses };
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push }, parts });
  await until("a snapshot", () => filter.stored);
  assert.deepEqual(sidecar.envoys(), [filter.url]);
  addresses = ["127.0.0.1", "127.0.0.2"];
  await until("another one", () => sidecar.envoys().length === 2);
  addresses = [];
  await until("none", () => sidecar.envoys().length === 0);
  const { length } = filter.answers;
  addresses = ["127.0.0.1"];
  filter.stored = undefined;
  await until("a snapshot again", () => filter.stored);
  assert.ok(filter.answers.length > length);
});

test("Envoys of a label are followed by watch, also while they are not ready", async (t) => {
  const server = await startServer(t);
  server.put(PODS, podObject("envoy-1", "envoy", "10.0.0.1"));
  server.put(PODS, podObject("other", "else", "10.0.0.9"));
  let origins: readonly string[] | undefined;
  const credentials = {
    getCurrentCluster: () => ({ server: `http://127.0.0.1:${server.port}` }),
    async applyToHTTPSOptions(options: { headers?: unknown }) {
      options.headers = { authorization: `Bearer ${TOKEN}` };
    },
  };
  const access = async () => ({ client: apiClient(credentials), server: "test", namespace: "default" });
  const kubernetes = { selector: "app=envoy", port: 10080, scheme: "https" as const };
  const sources = envoySources(
    { targets: [], dns: [], kubernetes },
    { log: createLog("silent"), failed() {}, resolve: async () => [], random: () => 0.5, watchTimes: TIMES, access },
  );
  const last = sources.at(-1);
  last?.start((told) => {
    origins = told;
  });
  t.after(() => last?.close());
  const are = (...ips: string[]) => JSON.stringify(origins) === JSON.stringify(ips.map((ip) => `https://${ip}:10080`));
  await until("the first", () => are("10.0.0.1"));
  server.put(PODS, podObject("envoy-2", "envoy", "10.0.0.2", { ready: false }));
  await until("the second", () => are("10.0.0.1", "10.0.0.2"));
  server.remove(PODS, "default", "envoy-1");
  await until("the first to be gone", () => are("10.0.0.2"));
});
