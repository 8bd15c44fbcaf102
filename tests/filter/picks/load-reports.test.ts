// Load reports of endpoints. The filter asks for them, uses them until the next scrape, and hides them from the client.
import assert from "node:assert/strict";
import { test } from "node:test";
import { A, B, base, chat, endpoint, Gateway, routed } from "../../../testkit/filter/gateway.ts";

const ASK = "endpoint-load-metrics-format";
const REPORT = "endpoint-load-metrics";
const text = (waiting: string, kv?: string): string =>
  `TEXT named_metrics.num_requests_waiting=${waiting}${kv === undefined ? "" : `, named_metrics.kv_cache_usage_perc=${kv}`}`;

function gateway(pick: object = {}, waiting = 0): Gateway {
  const result = new Gateway({ configuration: { pick: { profile: "epp", loadReports: true, ...pick } } });
  feed(result, waiting);
  return result;
}

function feed(g: Gateway, waiting = 0, scrapeAgeMs = 10): void {
  const endpoints = [endpoint(A, { waiting, scrapeAgeMs }), endpoint(B, { waiting, scrapeAgeMs })];
  g.feed({ endpoints, models: [base("m", [A, B])] });
  g.settle();
}

/** Sends a request that `upstream` answers with this report. Returns the response's headers. */
function answered(g: Gateway, upstream: string, report: string | undefined) {
  const stream = g.chat("m");
  const headers = report === undefined ? {} : { [REPORT]: report };
  stream.respond({ body: "{}", upstreamAddress: upstream, headers });
  stream.finish();
  return stream.responseHeaders;
}

/** Returns the share of many picks that A gets. Each request ends before the next begins. */
function shareOfA(g: Gateway): number {
  let first = 0;
  for (let i = 0; i < 60; i++) {
    const stream = g.chat("m");
    if (routed(stream.outcome).destination?.startsWith(A)) first++;
    stream.abort();
  }
  return first / 60;
}

const isEven = (share: number) => share > 0.2 && share < 0.8;

test("a load report is requested, and does not reach the client", () => {
  const g = gateway();
  const stream = g.send({ ...chat("m"), headers: { "content-type": "application/json", [ASK]: "BIN" } });
  assert.deepEqual(stream.outcome.requestHeaders?.get(ASK), "TEXT");
  stream.respond({ body: "{}", upstreamAddress: A, headers: { [REPORT]: text("1.0", "0.5") } });
  assert.equal(stream.responseHeaders?.get(REPORT), undefined);
  stream.finish();
  assert.equal(g.counters().load_reports, 1);
  g.assertHealthy();
});

test("an endpoint that reports a queue is picked less, until its next scrape shows another queue", () => {
  const g = gateway();
  assert.ok(isEven(shareOfA(g)));
  answered(g, A, text("9.0", "0.0"));
  assert.equal(shareOfA(g), 0);
  // The age of this scrape is 10 ms, so it is newer than the report.
  g.process.advance(100);
  feed(g, 0, 10);
  assert.ok(isEven(shareOfA(g)));
  g.assertHealthy();
});

test("a scrape that is older than the report does not replace it", () => {
  const g = gateway();
  answered(g, A, text("9.0", "0.0"));
  feed(g, 0, 5000);
  assert.equal(shareOfA(g), 0);
});

test("a full cache counts as well; without a cache in the report the scrape's value counts", () => {
  const g = gateway();
  answered(g, A, text("0.0", "9.5e-01"));
  answered(g, B, text("0.0"));
  assert.equal(shareOfA(g), 0);
});

test("the queues of several ranks are added up, and the mean of their caches counts", () => {
  const g = gateway();
  answered(g, A, `${text("2.0", "0.1")}, ${text("2.0", "0.3").slice(5)}`);
  answered(g, B, text("3.0", "0.2"));
  assert.equal(shareOfA(g), 0);
  answered(g, B, text("4.0", "0.2"));
  assert.ok(isEven(shareOfA(g)));
});

test("a report is dropped when it is as old as a stale snapshot, although no newer scrape came", () => {
  const g = new Gateway({
    configuration: { snapshot: { staleAfter: "2s" }, pick: { profile: "epp", loadReports: true } },
  });
  feed(g);
  answered(g, A, text("9.0", "0.0"));
  g.process.advance(1900);
  feed(g, 0, 60_000);
  assert.equal(shareOfA(g), 0);
  g.process.advance(300);
  feed(g, 0, 60_000);
  assert.ok(isEven(shareOfA(g)));
});

for (const report of [
  "",
  "TEXT",
  'JSON {"named_metrics":{}}',
  text("nan", "0.1"),
  text("-1", "0.1"),
  text("1e99", "0.1"),
  text("9x", "0.1"),
  text("", "0.1"),
  "TEXT named_metrics.xnum_requests_waiting=9",
  "TEXT named_metrics.num_requests_waiting",
  `TEXT ${"a=1,".repeat(2000)}num_requests_waiting=9`,
]) {
  test(`an unreadable report changes nothing, is counted and does not reach the client: ${report.slice(0, 60)}`, () => {
    const g = gateway();
    assert.equal(answered(g, A, report)?.get(REPORT), undefined);
    assert.ok(isEven(shareOfA(g)));
    assert.deepEqual([g.counters().load_reports ?? 0, g.counters().load_report_unreadable], [0, 1]);
    g.assertHealthy();
  });
}

test("a response without a report is no error", () => {
  const g = gateway();
  answered(g, A, undefined);
  assert.deepEqual([g.counters().load_reports ?? 0, g.counters().load_report_unreadable ?? 0], [0, 0]);
});

test("without pick.loadReports no report is requested, read or removed", () => {
  const g = gateway({ loadReports: false });
  const stream = g.chat("m");
  assert.equal(stream.outcome.requestHeaders?.get(ASK), undefined);
  stream.respond({ body: "{}", upstreamAddress: A, headers: { [REPORT]: text("9.0", "0.9") } });
  assert.equal(stream.responseHeaders?.get(REPORT), text("9.0", "0.9"));
  stream.finish();
  assert.ok(isEven(shareOfA(g)));
});
