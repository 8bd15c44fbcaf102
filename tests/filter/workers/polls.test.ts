// Polls: requests for a traffic report that the filter answers when it has news. A poll also renews the lease of the sidecar that
// collects the reports of all Envoys.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodePrefixes } from "../../../protocol/traffic.ts";
import { A, complete, Gateway, routed, threePods } from "../../../testkit/filter/gateway.ts";
import { askReport } from "../support/envoys.ts";
import { answered, reportOf, sendPoll } from "../support/polls.ts";

function fed(workers = 2, profile = "load"): Gateway {
  const gateway = new Gateway({ workers, configuration: { pick: { profile, onStale: "ignore" } } });
  gateway.feed(threePods());
  gateway.process.advance(1000);
  return gateway;
}

describe("a collector's poll", () => {
  test("without news a poll is answered when its time is over, with the same news", () => {
    const gateway = fed();
    const have = askReport(gateway);
    const poll = sendPoll(gateway, have);
    gateway.process.advance(979);
    assert.equal(reportOf(poll), undefined);
    gateway.process.advance(41);
    const report = answered(poll);
    assert.deepEqual([report.news, report.collector, report.counts.size], [have.news, 5, 0]);
    gateway.assertHealthy();
  });

  test("a request, its first byte and its end are news within 20 ms, and within 10 ms if there were news before", () => {
    const gateway = fed();
    for (const worker of [0, 1]) complete(gateway.chat("lora", worker), A);
    gateway.process.advance(1000);
    let have = askReport(gateway);
    for (const worker of [0, 1, 1, 0]) {
      let poll = sendPoll(gateway, have);
      gateway.process.advance(300);
      assert.equal(reportOf(poll), undefined);
      const stream = gateway.chat("lora", worker);
      gateway.process.advance(21);
      have = answered(poll);
      assert.equal([...have.counts.values()][0]?.requests, 1);
      poll = sendPoll(gateway, have);
      gateway.process.advance(100);
      assert.equal(reportOf(poll), undefined, "settled requests are no news");
      complete(stream, A);
      gateway.process.advance(11);
      have = answered(poll);
      assert.equal(have.counts.size, 0);
    }
    gateway.assertHealthy();
  });

  test("a request that wakes an idle worker is decided as ever, although the worker holds a poll that is due", () => {
    const gateway = fed();
    for (const ms of [300, 600, 900, 1300]) {
      const poll = sendPoll(gateway, askReport(gateway), { collector: 0, envoys: 0, known: 0, ms });
      gateway.process.advance(ms - 1);
      gateway.process.now += 50_000_000n;
      const stream = gateway.chat("lora");
      assert.equal(routed(stream.outcome).destination?.split(",")[0], A);
      complete(stream, A);
      gateway.process.advance(250);
      answered(poll);
    }
    gateway.assertHealthy();
  });

  test("a poll whose sidecar has older counts is answered at once", () => {
    const gateway = fed();
    const have = askReport(gateway);
    gateway.chat("lora");
    gateway.settle();
    assert.equal(answered(sendPoll(gateway, have, {}, 1)).counts.size, 1);
  });

  test("new prefixes are news; prefixes that the sidecar has are none", () => {
    const gateway = fed(2, "tokens");
    const prompt = (salt: string) => ({
      method: "POST",
      path: "/v1/chat/completions",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "m", messages: [{ role: "user", content: `${salt} ${"word ".repeat(1500)}` }] }),
    });
    complete(gateway.send(prompt("one"), 1), A);
    gateway.settle();
    const have = answered(sendPoll(gateway, askReport(gateway, 0), { cursor: "0.0" }));
    assert.ok(have.prefixes.length > 0);
    const poll = sendPoll(gateway, have);
    gateway.process.advance(500);
    assert.equal(reportOf(poll), undefined);
    complete(gateway.send(prompt("two"), 1), A);
    gateway.process.advance(40);
    assert.ok(answered(poll).prefixes.length > 0);
  });

  test("the worker that holds a poll looks for news while it is idle, and is idle as others are without a poll", () => {
    const gateway = fed();
    const have = askReport(gateway);
    gateway.process.advance(600);
    const poll = sendPoll(gateway, have);
    gateway.process.advance(100);
    assert.deepEqual([gateway.worker(0).tickPeriod, gateway.worker(1).tickPeriod], [20, 200]);
    poll.abort();
    gateway.process.advance(300);
    assert.deepEqual([gateway.worker(0).tickPeriod, gateway.worker(1).tickPeriod], [200, 200]);
    gateway.assertHealthy();
  });

  test("a request without a poll's header, or with a wrong one, is answered at once", () => {
    const gateway = fed();
    for (const fields of [{ ms: 0 }, { ms: -1 }, { news: Number.NaN }, { envoys: 1.5 }])
      answered(sendPoll(gateway, askReport(gateway), fields));
    assert.equal(askReport(gateway).collector, 0);
  });

  test("a worker holds 16 polls and answers further polls at once; aborted polls make room", () => {
    const gateway = fed();
    const have = askReport(gateway);
    const polls = Array.from({ length: 16 }, () => sendPoll(gateway, have));
    gateway.process.advance(100);
    assert.ok(polls.every((poll) => reportOf(poll) === undefined));
    answered(sendPoll(gateway, have));
    polls[3]?.abort();
    const next = sendPoll(gateway, have);
    assert.equal(reportOf(next), undefined);
    gateway.process.advance(1100);
    for (const poll of [...polls.filter((_, i) => i !== 3), next]) answered(poll);
    for (let i = 0; i < 100; i++) sendPoll(gateway, have).abort();
    assert.equal(reportOf(sendPoll(gateway, have)), undefined);
    gateway.assertHealthy();
  });

  test("a deleted root's polls are answered", () => {
    const gateway = fed(1);
    const poll = sendPoll(gateway, askReport(gateway));
    assert.equal(reportOf(poll), undefined);
    gateway.worker().close();
    assert.ok(reportOf(poll));
  });

  test("a reader answers polls by itself", () => {
    const gateway = new Gateway({ configuration: { role: "reader" } });
    gateway.feed(threePods());
    const poll = sendPoll(gateway, askReport(gateway));
    gateway.process.advance(500);
    assert.equal(reportOf(poll), undefined);
    gateway.process.advance(600);
    answered(poll);
    gateway.assertHealthy();
  });
});

describe("the poll of a sidecar that is no collector", () => {
  test("prefixes are news when there are many, so that no report lacks any", () => {
    const gateway = fed(2, "tokens");
    const have = askReport(gateway);
    const poll = sendPoll(gateway, have, { collector: 0, envoys: 0, known: 0, ms: 5000 });
    let sent = 0;
    for (; reportOf(poll) === undefined && sent < 400; sent++) {
      const content = `${sent} ${"word ".repeat(3000)}`;
      const body = JSON.stringify({ model: "m", messages: [{ role: "user", content }] });
      const headers = { "content-type": "application/json" };
      complete(gateway.send({ method: "POST", path: "/v1/chat/completions", headers, body }, 1), A);
      gateway.process.advance(10);
    }
    const { prefixes } = answered(poll);
    assert.ok(prefixes.length >= 32_768 && prefixes.length < 65_536, `${prefixes.length}`);
    assert.ok(decodePrefixes(prefixes, "prefixes").length >= sent);
  });

  test("a worker that begins with an empty index is news, so that its refill begins", () => {
    const gateway = fed(2, "tokens");
    const have = askReport(gateway);
    const poll = sendPoll(gateway, have, { collector: 0, envoys: 0, known: 0 });
    gateway.process.advance(200);
    assert.equal(reportOf(poll), undefined);
    gateway.startWorker();
    gateway.process.advance(220);
    assert.notEqual(answered(poll).emptied, have.emptied);
  });
});

describe("the collector's lease", () => {
  const standBy = (gateway: Gateway, known: number, worker = 1) =>
    sendPoll(gateway, undefined, { collector: 0, envoys: 0, known }, worker);

  test("a collector has the lease while its poll is held and 250 ms after its last answer", () => {
    const gateway = fed();
    assert.equal(askReport(gateway, 1).collector, 0);
    const poll = sendPoll(gateway, askReport(gateway));
    for (let i = 0; i < 9; i++) {
      gateway.process.advance(100);
      assert.equal(askReport(gateway, i % 2).collector, 5);
    }
    gateway.process.advance(120);
    answered(poll);
    gateway.process.advance(225);
    assert.equal(askReport(gateway, 1).collector, 5);
    gateway.process.advance(30);
    assert.equal(askReport(gateway, 1).collector, 0);
  });

  test("a sidecar that stands by gets no news of counts, but learns within 500 ms that the collector died", () => {
    const gateway = fed();
    const poll = sendPoll(gateway, askReport(gateway));
    const waiting = standBy(gateway, 5);
    const stream = gateway.chat("lora", 1);
    gateway.process.advance(100);
    assert.equal(reportOf(waiting), undefined);
    complete(stream, A);
    const next = reportOf(poll) === undefined ? poll : sendPoll(gateway, reportOf(poll));
    gateway.process.advance(300);
    assert.equal(reportOf(waiting), undefined);
    next.abort();
    gateway.process.advance(460);
    assert.equal(answered(waiting).collector, 0);
  });

  test("a sidecar with more Envoys takes the lease, and of two with as many the one with the lower id", () => {
    const gateway = fed();
    const claim = (collector: number, envoys: number, worker: number) => {
      const stream = sendPoll(gateway, askReport(gateway), { collector, envoys, known: 0 }, worker);
      return answered(stream).collector;
    };
    assert.equal(claim(7, 2, 0), 7);
    assert.equal(claim(9, 2, 1), 7);
    assert.equal(claim(6, 2, 1), 6);
    assert.equal(claim(4, 1, 0), 6);
    assert.equal(claim(9, 3, 0), 9);
    assert.equal(claim(6, 3, 0), 6);
    assert.equal(claim(6, 1, 1), 6, "a renewal may know fewer");
    assert.equal(claim(9, 2, 1), 9);
  });

  test("a held poll of a sidecar that loses the lease is answered, so the sidecar knows", () => {
    const gateway = fed();
    const first = sendPoll(gateway, askReport(gateway));
    assert.equal(reportOf(first), undefined);
    sendPoll(gateway, askReport(gateway), { collector: 3, known: 3 }, 1);
    gateway.process.advance(40);
    assert.equal(answered(first).collector, 3);
    gateway.process.advance(300);
    assert.equal(askReport(gateway).collector, 3, "the loser's end does not end the lease");
  });

  test("a lease from before the clock was set back by an hour counts as ended", () => {
    const gateway = fed();
    sendPoll(gateway, askReport(gateway));
    gateway.process.now -= 3_600_000_000_000n;
    assert.equal(askReport(gateway, 1).collector, 0);
  });
});

test("polls of clients without the secret are refused and hold nothing", () => {
  const gateway = fed();
  const stream = gateway.send({
    method: "GET",
    path: "/.pilotfish/snapshot",
    headers: { "x-pilotfish-report": "0.0", "x-pilotfish-poll": "1000.0.0.5.2" },
  });
  assert.equal(stream.localResponse?.status, 401);
  assert.equal(askReport(gateway).collector, 0);
});
