// Pushes to several filters: when they are sent, how failures are handled, and how responses are interpreted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SECRET_HEADER } from "../../../protocol/constants.ts";
import type { Log } from "../../../sidecar/log.ts";
import { judge } from "../../../sidecar/push/push-answer.ts";
import { freePorts } from "../../../testkit/ports.ts";
import { SECRET, startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { type FakePod, gauges, startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { text } from "../../../testkit/sidecar/listen.ts";
import { endpointOf, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

interface Line {
  level: string;
  fields: Record<string, unknown>;
  message: string;
}

function recorder(): { log: Log; lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (fields: Record<string, unknown>, message: string) =>
    void lines.push({ level, fields, message });
  const log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") } as unknown as Log;
  return { log, lines };
}

const series = async (url: string, name: string): Promise<string[]> => {
  const body = await (await fetch(`${url}/metrics`)).text();
  return body.split("\n").filter((line) => line.startsWith(name));
};

/** Waits for `count` more scrapes. Fifty scrapes take about a second; the heartbeat is ten seconds. */
async function scrapesLater(pod: FakePod, count: number): Promise<void> {
  const { scrapes } = pod;
  await until(`${count} more scrapes`, () => pod.scrapes >= scrapes + count);
}

test("several filters get the same pods over two connections each: one for pushes, and one for polls", async (t) => {
  const pod = await startPod();
  const filters = [await startFilter(), await startFilter()];
  for (const server of [pod, ...filters]) t.after(() => server.close());
  await quickSidecar(t, { endpoints: [pod.url], targets: filters.map((f) => f.url) });
  for (const filter of filters) {
    await until("ten pushes", () => filter.answers.length >= 10);
    assert.deepEqual(new Set(filter.answers), new Set([200]));
    assert.equal(filter.connections, 2);
    assert.equal(filter.stored?.endpoints[0]?.address, pod.address);
  }
});

test("without changes only the heartbeat causes pushes", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  const push = { targets: [filter.url], interval: "1ms", heartbeat: "10s" };
  await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push } });
  await until("ready", () => filter.stored?.endpoints[0]?.ready);
  // The filter stores a push before the sidecar has read the response.
  await scrapesLater(pod, 3);
  const pushes = filter.answers.length;
  await scrapesLater(pod, 10);
  assert.equal(filter.answers.length, pushes);
  pod.metrics = gauges(5, 5);
  await scrapesLater(pod, 50);
  assert.equal(filter.stored?.endpoints[0]?.waiting, 5);
});

test("a change during a push goes into the next push", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  const push = { targets: [filter.url], interval: "1ms", heartbeat: "10s", timeout: "30s" };
  await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push } });
  await until("ready", () => filter.stored?.endpoints[0]?.ready);
  let release = () => {};
  filter.hold = new Promise((resolve) => {
    release = resolve;
  });
  for (const waiting of [5, 6]) {
    pod.metrics = gauges(waiting, 0);
    await scrapesLater(pod, 2);
  }
  assert.equal(filter.stored?.endpoints[0]?.waiting, 0);
  release();
  await scrapesLater(pod, 50);
  assert.equal(filter.stored?.endpoints[0]?.waiting, 6);
});

test("a filter that is down, slow or away delays no other filter, and gets a complete snapshot when it is back", async (t) => {
  const pod = await startPod();
  const good = await startFilter();
  const slow = await startFilter();
  slow.instead = () => {};
  const [port = 0] = await freePorts(1);
  let gone = await startFilter(port);
  await gone.close();
  for (const server of [pod, good, slow]) t.after(() => server.close());
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [good.url, slow.url, gone.url] });
  await until("ten pushes", () => good.answers.length >= 10);
  assert.deepEqual(slow.answers, []);
  gone = await startFilter(port);
  t.after(() => gone.close());
  await until("the whole snapshot", () => endpointOf(gone.stored, pod.address)?.ready);
  const counted = async (target: string, result: string) =>
    (await series(sidecar.url, `pilotfish_pushes_total{target="${target}",result="${result}"}`)).some(
      (line) => !line.endsWith(" 0"),
    );
  assert.ok(await counted(gone.url, "refused"));
  // The sidecar may first ask the filter for its traffic report, which is no push.
  await until("a push that the slow one did not answer", () => counted(slow.url, "timeout"));
  slow.instead = undefined;
  await until("the slow one too", () => slow.stored);
});

test("after a push with a lower version than the filter's, the next push has a higher version", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  const ahead = BigInt(Date.now() + 86_400_000) * 1000n;
  filter.stored = { version: ahead, source: 1n, endpoints: [], models: [] };
  await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url] });
  await until("an accepted push", () => filter.answers.includes(200));
  assert.deepEqual(filter.answers.slice(0, 2), [409, 200]);
  assert.ok((filter.stored?.version ?? 0n) > ahead);
});

test("a restarted filter gets its snapshot from the next push", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url] });
  await until("ready", () => filter.stored?.endpoints[0]?.ready);
  // Nothing changes any more, so the next push is a heartbeat.
  await scrapesLater(pod, 10);
  filter.stored = undefined;
  await until("another", () => filter.stored);
});

test("a repeated result is logged once, with what to do, and never with the secret", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  filter.secret = "another";
  const { log, lines } = recorder();
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url], parts: { log } });
  await until("five refusals", () => filter.answers.length >= 5);
  const warnings = () => lines.filter((line) => line.message === "snapshot not accepted");
  assert.deepEqual(filter.answers.slice(0, 5), [401, 401, 401, 401, 401]);
  assert.equal(warnings().length, 1);
  assert.equal(warnings()[0]?.fields.result, "unauthenticated");
  assert.match(String(warnings()[0]?.fields.todo), /PILOTFISH_SECRET/);
  filter.secret = SECRET;
  await until("accepted", () => lines.find((line) => line.message === "snapshots are accepted"));
  filter.maxBytes = 10;
  await until("too large", () => warnings().length === 2);
  assert.equal(warnings()[1]?.fields.result, "snapshot_too_large");
  await sidecar.close();
  assert.ok(
    !JSON.stringify(lines, (_key, value) => (typeof value === "bigint" ? String(value) : value)).includes(SECRET),
  );
});

test("a response that is not the filter's does not count as accepted", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  filter.instead = text("{}");
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url] });
  await until("some answers", () => filter.answers.length >= 3);
  assert.equal(sidecar.readiness().ready, false);
  assert.match(sidecar.readiness().reasons.join(), /unexpected/);
});

test("status, code and version together decide what a response means", () => {
  const judged = (status: number, body: unknown) => judge(status, Buffer.from(JSON.stringify(body)), 7n);
  assert.equal(judged(200, { version: "7" }).result, "ok");
  for (const body of [{ version: "8" }, { version: 7 }, {}, null, "7"])
    assert.equal(judged(200, body).result, "unexpected");
  const error = { message: "m", type: "t", code: "c" };
  assert.deepEqual(judged(400, { error }), { result: "malformed", detail: "m" });
  assert.equal(judged(401, {}).result, "unexpected");
  for (const status of [500, 503]) assert.equal(judged(status, { error }).result, "not_stored");
  assert.equal(judged(500, {}).result, "unexpected");
  assert.equal(judged(404, { error }).result, "unexpected");
  assert.equal(judged(409, { error, version: "12" }).stored, 12n);
  for (const version of [12, "-1", "x", "1".repeat(21)])
    assert.equal(judged(409, { error, version }).stored, undefined);
  assert.equal(judge(200, Buffer.from("<html>"), 7n).result, "unexpected");
});

test("a push has the secret in its header, and goes to the configured path", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  let header: unknown;
  let path: unknown;
  filter.instead = (request, response) => {
    header = request.headers[SECRET_HEADER];
    path = request.url;
    response.end();
  };
  const push = { targets: [filter.url], path: "/own/path" };
  await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push } });
  await until("a push", () => header !== undefined);
  assert.deepEqual([header, path], [SECRET, "/own/path"]);
});
