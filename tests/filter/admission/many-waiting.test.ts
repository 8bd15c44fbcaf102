// Waiting requests on two workers, waiting requests in the reader of a reader and a holder, and thousands of waiting requests.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Root, Stream } from "../../../emulator/index.ts";
import { FAIRNESS_HEADER } from "../../../protocol/constants.ts";
import type { SnapshotView } from "../../../protocol/snapshot.ts";
import { A, B, base, complete, Gateway, routed } from "../../../testkit/filter/gateway.ts";
import { asking, fate, fed, HOLD, objective, pool, ROOMY, SATURATED } from "../support/admission.ts";
import { sequence } from "../support/sequence.ts";

describe("two workers", () => {
  test("two workers together resume as many requests as there is room for, plus at most one request per worker", () => {
    const gateway = fed({ ...HOLD, hold: { timeout: "60s" } }, SATURATED(), {}, 2);
    const streams = Array.from({ length: 100 }, (_, i) => gateway.send(asking(), i % 2));
    assert.ok(streams.every((stream) => fate(stream) === "waits"));
    gateway.settle();
    const gone = () => streams.filter((stream) => fate(stream) === "continue").length;
    for (let round = 1; round <= 5; round++) {
      const before = gone();
      gateway.feed(ROOMY());
      gateway.process.advance(60);
      const resumed = gone() - before;
      assert.ok(resumed >= 10 && resumed <= 12, `round ${round}: ${resumed} for a room of 10`);
    }
  });
});

describe("a reader with a holder behind it", () => {
  /** Makes a reader and a holder in one VM, as two entries of one policy are. Pushes come on another listener. */
  function pair(admission: object, view: Partial<SnapshotView>) {
    const gateway = new Gateway();
    const { vm } = gateway.worker();
    const roots = [{ role: "reader", admission }, { role: "holder" }].map(
      (configuration) => new Root(vm, { configuration: JSON.stringify(configuration) }),
    );
    gateway.feed(view);
    const send = (headers: Record<string, string> = {}, model = "m") => {
      const stream = new Stream(roots, { bufferLimit: 8 * 1024 * 1024 });
      stream.send(asking(headers, model));
      return stream;
    };
    return { gateway, send };
  }

  test("a reader and its holder hold, resume, refuse and time out as one filter does", () => {
    const rules = [{ model: "alias", pool: null, priority: null, targets: [{ model: "m", weight: 1 }] }];
    const { gateway, send } = pair(HOLD, pool(5, 5, { rules }));
    const first = send({}, "alias");
    const second = send();
    assert.deepEqual([first, second, send(objective("batch"))].map(fate), ["waits", "waits", "429 saturated"]);
    gateway.feed(pool(5, 4, { rules }));
    assert.deepEqual([first, second].map(fate), ["continue", "waits"]);
    assert.deepEqual(routed(first.outcome), { model: "alias", base: "m", destination: `${B},${A}` });
    assert.equal(JSON.parse(first.outcome.body.toString()).model, "m");
    gateway.feed(pool(9, 9, { rules }));
    complete(first, B);
    gateway.process.advance(1000);
    assert.equal(fate(second), "503 hold_timeout");
    const gone = send();
    assert.equal(fate(gone), "waits");
    gone.abort();
    gateway.feed(ROOMY());
    const { held, resumed } = gateway.counters();
    assert.deepEqual(
      [held, resumed, gateway.counters()["hold.timeout"], gateway.counters()["hold.aborted"]],
      [3, 1, 1, 1],
    );
    assert.equal(gateway.gauge("hold.now"), 0);
    assert.deepEqual(gateway.inFlight(), { [A]: 0, [B]: 0 });
    gateway.assertHealthy();
  });
});

describe("10,000 requests that wait, are refused, are aborted and are retried", () => {
  test("each request is answered once, on two workers, and all counts return to 0", () => {
    const admission = { mode: "hold", hold: { maxRequests: 12, timeout: "300ms" } };
    const gateway = fed(admission, SATURATED(), {}, 2);
    const next = sequence(7);
    let waiting: Stream[] = [];
    const running: Stream[] = [];
    const fates: Record<string, number> = {};
    const tally = (what: string) => {
      fates[what] = (fates[what] ?? 0) + 1;
    };
    /** Sorts the waiting requests by their fate. */
    const look = () => {
      const still: Stream[] = [];
      for (const stream of waiting) {
        const what = fate(stream);
        if (what === "waits") still.push(stream);
        else if (what === "continue") running.push(stream);
        else {
          tally(what);
          stream.finish();
        }
      }
      waiting = still;
    };
    let sent = 0;
    const send = (headers: Record<string, string>, worker: number) => {
      sent++;
      const stream = gateway.send(asking(headers), worker);
      waiting.push(stream);
    };
    for (let i = 0; sent < 10_000; i++) {
      const headers = {
        [FAIRNESS_HEADER]: `tenant-${next(7)}`,
        ...[{}, objective("urgent"), objective("batch"), {}][next(4)],
      };
      const before = sent;
      send(headers, i % 2);
      // A client whose request is refused tries once more.
      if (waiting.at(-1)?.localResponse && sent < 10_000) send(headers, next(2));
      assert.ok(sent > before);
      look();
      if (waiting.length > 0 && next(10) === 0) {
        const [stream] = waiting.splice(next(waiting.length), 1) as [Stream];
        tally("aborted while waiting");
        stream.abort();
      }
      while (running.length > 24 || (running.length > 0 && next(3) === 0)) {
        const [stream] = running.splice(next(running.length), 1) as [Stream];
        if (next(5) === 0) {
          tally("aborted");
          stream.abort();
        } else {
          tally("served");
          complete(stream, [A, B, "9.9.9.9:9"][next(3)] as string);
        }
      }
      if (i % 25 === 0)
        gateway.feed(
          [
            pool(next(8), next(8)),
            ROOMY(),
            SATURATED(),
            pool(0, 0, { endpoints: [], models: [{ ...base("m", []), pool: "default/p" }] }),
          ][next(4)] as Partial<SnapshotView>,
          next(2),
        );
      if (i % 10 === 0) gateway.process.advance(20);
      look();
    }
    for (let i = 0; i < 400 && waiting.length > 0; i++) {
      gateway.feed(pool(0));
      look();
      for (const stream of running.splice(0)) {
        tally("served");
        complete(stream, A);
      }
      look();
    }
    for (const stream of running) {
      tally("served");
      complete(stream, A);
    }
    gateway.feed(pool(0));
    gateway.process.advance(250);
    assert.equal(waiting.length, 0);
    assert.equal(
      Object.values(fates).reduce((sum, count) => sum + count, 0),
      10_000,
      JSON.stringify(fates),
    );
    for (const what of ["served", "aborted", "aborted while waiting", "429 saturated", "429 queue_full"]) {
      assert.ok((fates[what] ?? 0) > 50, `${what}: ${JSON.stringify(fates)}`);
    }
    const c = gateway.counters();
    const of = (name: string) => c[name] ?? 0;
    const ended =
      of("resumed") + of("hold.timeout") + of("hold.no_endpoint") + of("hold.displaced") + of("hold.aborted");
    assert.equal(of("held"), ended, "each request that waited went on, was refused or was aborted, once");
    assert.equal(of("hold.aborted"), fates["aborted while waiting"]);
    assert.equal(of("shed"), fates["429 saturated"]);
    assert.equal(of("hold.full") + of("hold.displaced"), fates["429 queue_full"]);
    assert.equal(of("hold.timeout"), fates["503 hold_timeout"] ?? 0);
    assert.equal(of("hold.no_endpoint"), fates["503 no_endpoint"] ?? 0);
    assert.equal(gateway.gauge("hold.now"), 0);
    assert.equal(gateway.gauge("in_flight"), 0);
    assert.deepEqual([gateway.inFlight(0), gateway.inFlight(1)], [NOBODY, NOBODY]);
    gateway.assertHealthy();
  });
});

const NOBODY = { [A]: 0, [B]: 0 };
