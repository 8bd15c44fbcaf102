// Waiting requests, and the ways in which they go on.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import { DESTINATION_HEADER, FAIRNESS_HEADER, MODEL_HEADER } from "../../../protocol/constants.ts";
import { A, B, base, chat, complete, JSON_TYPE, routed } from "../../../testkit/filter/gateway.ts";
import { asking, EMPTY, fate, fed, HOLD, objective, pool, ROOMY, SATURATED } from "../support/admission.ts";

describe("waiting requests", () => {
  test("a request waits at saturation; the pick is made when the request goes on, so it uses the endpoint that has room then", () => {
    const gateway = fed(HOLD, SATURATED(), { pick: { profile: "load" } });
    const stream = gateway.send(asking());
    assert.equal(fate(stream), "waits");
    gateway.settle();
    assert.equal(gateway.gauge("hold.now"), 1);
    gateway.feed(pool(4, 0));
    assert.equal(fate(stream), "continue");
    assert.deepEqual(routed(stream.outcome), { model: "m", base: "m", destination: `${B},${A}` });
    assert.equal(stream.outcome.body.toString(), chat("m").body);
    assert.deepEqual([gateway.counters().held, gateway.counters().resumed, gateway.counters().picked], [1, 1, 1]);
    complete(stream, B);
    gateway.settle();
    assert.equal(gateway.gauge("hold.now"), 0);
    assert.deepEqual(gateway.inFlight(), { [A]: 0, [B]: 0 });
    gateway.assertHealthy();
  });

  test("a waiting request goes on as soon as another request ends, before the next tick", () => {
    const gateway = fed(HOLD, ROOMY());
    const open = Array.from({ length: 10 }, () => gateway.chat("m"));
    gateway.settle();
    gateway.feed(SATURATED());
    const waiting = [gateway.send(asking()), gateway.send(asking())];
    assert.deepEqual(waiting.map(fate), ["waits", "waits"]);
    complete(open.pop() as Stream, A);
    assert.deepEqual(waiting.map(fate), ["continue", "waits"]);
    open.pop()?.abort();
    assert.deepEqual(waiting.map(fate), ["continue", "continue"]);
    gateway.assertHealthy();
  });

  test("no request goes on when another ends while queues are long", () => {
    const gateway = fed(HOLD, ROOMY());
    const open = Array.from({ length: 10 }, () => gateway.chat("m"));
    gateway.settle();
    gateway.feed(pool(20));
    const stream = gateway.send(asking());
    for (const one of open) complete(one, A);
    gateway.settle();
    assert.equal(fate(stream), "waits");
    gateway.feed(ROOMY());
    assert.equal(fate(stream), "continue");
  });

  test("requests go on by priority, then in turn among fairness ids, then in the order in which they came", () => {
    const gateway = fed(HOLD, SATURATED());
    const send = (name: string, fairness: string) =>
      gateway.send(asking({ ...(name && objective(name)), [FAIRNESS_HEADER]: fairness }));
    const streams = {
      a1: send("", "anne"),
      a2: send("", "anne"),
      a3: send("", "anne"),
      b1: send("", "ben"),
      u1: send("urgent", "anne"),
    };
    const gone = () =>
      Object.entries(streams)
        .filter(([, stream]) => fate(stream) === "continue")
        .map(([name]) => name);
    const order: string[][] = [];
    // The pool has room for one request: 9 of 10 are in the queues.
    for (let round = 0; round < 5; round++) {
      gateway.feed(pool(5, 4));
      order.push(gone());
      gateway.feed(SATURATED());
    }
    const fresh = order.map((names, i) => names.filter((name) => !order[i - 1]?.includes(name)).join());
    assert.deepEqual(fresh, ["u1", "a1", "b1", "a2", "a3"]);
  });

  test("until the next scrape no more requests go on than there is room for", () => {
    const gateway = fed(HOLD, SATURATED());
    const streams = Array.from({ length: 40 }, () => gateway.send(asking()));
    gateway.feed(pool(4, 4));
    assert.equal(streams.filter((stream) => fate(stream) === "continue").length, 2);
    gateway.process.advance(200);
    assert.equal(streams.filter((stream) => fate(stream) === "continue").length, 2, "nothing is known that is new");
    gateway.feed(ROOMY());
    assert.equal(streams.filter((stream) => fate(stream) === "continue").length, 12);
  });

  test("a later request does not overtake a waiting one", () => {
    const gateway = fed(HOLD, SATURATED());
    const first = Array.from({ length: 20 }, () => gateway.send(asking()));
    gateway.feed(pool(4));
    const late = gateway.send(asking());
    assert.deepEqual([first.filter((stream) => fate(stream) === "waits").length, fate(late)], [18, "waits"]);
  });

  test("a request is answered with 503 when its time is over; if a first endpoint comes before, the endpoint serves it", () => {
    const gateway = fed(HOLD, SATURATED());
    const busy = gateway.send(asking());
    gateway.process.advance(500);
    assert.equal(fate(busy), "waits");
    for (let i = 0; i < 3; i++) gateway.feed(SATURATED());
    gateway.process.advance(600);
    assert.equal(fate(busy), "503 hold_timeout");
    assert.equal(busy.localResponse?.headers.get("retry-after"), "1");
    gateway.feed(EMPTY);
    const absent = gateway.send(asking());
    assert.equal(fate(absent), "waits", "scaled to zero");
    gateway.process.advance(1100);
    assert.equal(fate(absent), "503 no_endpoint");
    gateway.feed(EMPTY);
    const lucky = gateway.send(asking());
    gateway.process.advance(500);
    gateway.feed(ROOMY());
    assert.equal(fate(lucky), "continue");
    const { held, resumed } = gateway.counters();
    assert.deepEqual(
      [held, resumed, gateway.counters()["hold.timeout"], gateway.counters()["hold.no_endpoint"]],
      [3, 1, 1, 1],
    );
    gateway.assertHealthy();
  });

  test("a request beyond the limit is refused, or displaces one of a lower priority", () => {
    const gateway = fed({ ...HOLD, hold: { maxRequests: 2 } }, SATURATED());
    const first = gateway.send(asking());
    const second = gateway.send(asking());
    assert.equal(fate(gateway.send(asking())), "429 queue_full");
    const urgent = gateway.send(asking(objective("urgent")));
    assert.deepEqual([first, second, urgent].map(fate), ["waits", "429 queue_full", "waits"]);
    const { held } = gateway.counters();
    assert.deepEqual([held, gateway.counters()["hold.full"], gateway.counters()["hold.displaced"]], [3, 1, 1]);
    gateway.assertHealthy();
  });

  test("the bytes of waiting requests are limited as well", () => {
    const gateway = fed({ ...HOLD, hold: { maxBytes: 1024 } }, SATURATED());
    const large = { ...asking(), body: JSON.stringify({ model: "m", prompt: "x".repeat(600) }) };
    assert.equal(fate(gateway.send(large)), "waits");
    assert.equal(fate(gateway.send(large)), "429 queue_full");
    const urgent = { ...large, headers: { ...JSON_TYPE, ...objective("urgent") } };
    assert.equal(fate(gateway.send(urgent)), "waits");
    const huge = { ...urgent, body: JSON.stringify({ model: "m", prompt: "x".repeat(2000) }) };
    assert.equal(fate(gateway.send(huge)), "429 queue_full");
    assert.equal(gateway.counters()["hold.displaced"], 1, "what cannot fit displaces nobody");
  });

  test("a request whose client goes away leaves the queue once", () => {
    const gateway = fed(HOLD, SATURATED());
    const streams = Array.from({ length: 5 }, () => gateway.send(asking()));
    streams[2]?.abort();
    gateway.settle();
    gateway.feed(ROOMY());
    assert.deepEqual(streams.filter((_, i) => i !== 2).map(fate), Array(4).fill("continue"));
    assert.deepEqual([gateway.counters()["hold.aborted"], gateway.counters().resumed], [1, 4]);
    gateway.assertHealthy();
  });

  test("a request of a negative priority is refused and never waits", () => {
    const gateway = fed(HOLD, SATURATED());
    assert.equal(fate(gateway.send(asking(objective("batch")))), "429 saturated");
  });

  test("requests go on when the snapshot becomes stale, and when their model is not known any more", () => {
    const gateway = fed({ ...HOLD, hold: { timeout: "60s" } }, SATURATED());
    const first = gateway.send(asking());
    gateway.process.advance(2100);
    assert.equal(fate(first), "continue");
    assert.equal(gateway.counters().stale, 1);
    gateway.feed(SATURATED());
    const second = gateway.send(asking());
    gateway.feed({ endpoints: [], models: [base("other", [])] });
    assert.equal(fate(second), "continue");
    assert.equal(gateway.counters().unknown_model, 1);
  });

  test("requests go on when a new configuration holds no requests, and otherwise wait for the new configuration's timeout", () => {
    const gateway = fed({ ...HOLD, hold: { timeout: "60s" } }, SATURATED());
    const first = gateway.send(asking());
    gateway.worker().configure(JSON.stringify({ admission: { mode: "shed" } }));
    gateway.settle();
    assert.equal(fate(first), "continue");
    gateway.worker().configure(JSON.stringify({ admission: { ...HOLD, hold: { timeout: "60s" } } }));
    const second = gateway.send(asking());
    assert.equal(fate(second), "waits");
    gateway
      .worker()
      .configure(JSON.stringify({ admission: { ...HOLD, hold: { timeout: "100ms", maxRequests: 5000 } } }));
    gateway.process.advance(160);
    assert.equal(fate(second), "503 hold_timeout");
    gateway.assertHealthy();
  });

  test("a request that waits in a VM that failed gets no answer, and the other workers drop its count after 1.5 s", () => {
    const gateway = fed({ mode: "hold", hold: { timeout: "10s" } }, SATURATED(), {}, 2);
    const lost = gateway.send(asking(), 0);
    const other = gateway.send(asking(), 1);
    gateway.settle();
    assert.equal(gateway.gauge("hold.now"), 2);
    // Envoy does not call a failed VM: integration/product/trap.test.ts shows the client's side.
    gateway.worker(0).tickDue = undefined;
    for (let i = 0; i < 2; i++) {
      gateway.process.advance(900);
      gateway.feed(SATURATED(), 1);
    }
    assert.deepEqual([fate(lost), fate(other), gateway.gauge("hold.now")], ["waits", "waits", 1]);
    gateway.feed(ROOMY(), 1);
    assert.deepEqual([fate(lost), fate(other), gateway.gauge("hold.now")], ["waits", "continue", 0]);
    assert.equal(gateway.counters().resumed, 1);
  });

  test("requests go on when their root is deleted", () => {
    const gateway = fed(HOLD, SATURATED());
    const stream = gateway.send(asking());
    gateway.worker().close();
    assert.equal(fate(stream), "continue");
    gateway.assertHealthy();
  });

  test("a request with a model in the path waits at its headers", () => {
    const gateway = fed(HOLD, SATURATED(), { paths: ["/models/{model}/"] });
    const stream = gateway.stream();
    stream.sendHeaders({ ":method": "POST", ":path": "/models/m/generate", ":authority": "x", ...JSON_TYPE });
    stream.sendBody("{}", true);
    assert.equal(fate(stream), "waits");
    gateway.feed(ROOMY());
    assert.equal(fate(stream), "continue");
    assert.equal(stream.outcome.body.toString(), "{}");
    assert.ok(stream.outcome.requestHeaders?.get(DESTINATION_HEADER));
  });

  test("a request whose body is rewritten, has trailers or came in pieces is whole when it goes on", () => {
    const rules = [{ model: "alias", pool: null, priority: null, targets: [{ model: "m", weight: 1 }] }];
    const gateway = fed(HOLD, pool(5, 5, { rules }));
    const stream = gateway.stream();
    const body = JSON.stringify({ prompt: "x".repeat(70_000), model: "alias" });
    const chunks = [body.slice(0, 10), body.slice(10, 65_000), body.slice(65_000)];
    stream.send({ path: "/v1/completions", headers: JSON_TYPE, chunks, trailers: { "x-end": "yes" } });
    assert.equal(fate(stream), "waits");
    gateway.feed(pool(0, 0, { rules }));
    assert.equal(fate(stream), "continue");
    assert.equal(stream.outcome.body.toString(), body.replace("alias", "m"));
    assert.equal(stream.outcome.requestHeaders?.get(MODEL_HEADER), "alias");
    assert.equal(stream.outcome.requestTrailers?.get("x-end"), "yes");
  });
});
