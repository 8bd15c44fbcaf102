// What is refused, held and let go where pods are saturated or absent: the release wasm in the emulated host.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { DESTINATION_HEADER, FAIRNESS_HEADER, MODEL_HEADER, OBJECTIVE_HEADER } from "../../protocol/constants.ts";
import type { SnapshotView } from "../../protocol/snapshot.ts";
import { Stream } from "../host/vm.ts";
import { A, answerOf, B, base, chat, complete, endpoint, Gateway, JSON_TYPE, routed } from "./gateway.ts";

const HOLD = { mode: "hold", hold: { timeout: "1s" } };

/** One model `m` on A and B, with these queues; both are one pool with a few objectives. */
function pool(waitingA: number, waitingB = waitingA, more: Partial<SnapshotView> = {}): Partial<SnapshotView> {
  const on = { pool: "default/p" };
  return {
    endpoints: [
      endpoint(A, { waiting: waitingA, running: 8, ...on }),
      endpoint(B, { waiting: waitingB, running: 8, ...on }),
    ],
    models: [{ ...base("m", [A, B]), ...on }],
    pools: [{ name: "default/p" }, { name: "default/q" }],
    objectives: [
      { name: "batch", priority: -1, pool: "default/p" },
      { name: "batch-of-q", priority: -1, pool: "default/q" },
      { name: "urgent", priority: 10, pool: "default/p" },
    ],
    ...more,
  };
}

const EMPTY = { endpoints: [], models: [{ ...base("m", []), pool: "default/p" }], pools: [{ name: "default/p" }] };

const SATURATED = () => pool(5);
const ROOMY = () => pool(0);

function fed(admission: object, view: Partial<SnapshotView>, more: object = {}, workers = 1): Gateway {
  const gateway = new Gateway({ workers, configuration: { admission, ...more } });
  gateway.feed(view);
  return gateway;
}

const asking = (headers: Record<string, string> = {}, model = "m") => {
  const request = chat(model);
  return { ...request, headers: { ...JSON_TYPE, ...headers } };
};
const objective = (name: string) => ({ [OBJECTIVE_HEADER]: name });

/** What became of a request: continue, held, or the refusal's status and code. */
function fate(stream: Stream): string {
  if (stream.outcome.action !== "replied") return stream.outcome.action;
  const { status, json } = answerOf(stream);
  return `${status} ${json.error.code}`;
}

describe("as the endpoint picker admits, where nothing is configured", () => {
  test("at saturation only a request with a priority below 0 is refused, with Retry-After", () => {
    const gateway = fed({}, SATURATED());
    assert.equal(fate(gateway.send(asking())), "continue");
    assert.equal(fate(gateway.send(asking(objective("urgent")))), "continue");
    const shed = gateway.send(asking(objective("batch")));
    assert.equal(fate(shed), "429 saturated");
    assert.equal(shed.localResponse?.headers.get("retry-after"), "1");
    assert.equal(answerOf(shed).json.error.type, "rate_limit_error");
    assert.equal(shed.outcome.filterState.get("pilotfish.reason"), "saturated");
    assert.equal(gateway.counters().shed, 1);
    assert.equal(gateway.counters().picked, 2);
  });

  test("below saturation nobody is", () => {
    const gateway = fed({}, pool(5, 4));
    assert.equal(fate(gateway.send(asking(objective("batch")))), "continue");
  });

  test("an objective that is unknown, or of another pool, is of priority 0", () => {
    const gateway = fed({}, SATURATED());
    assert.equal(fate(gateway.send(asking(objective("nobody")))), "continue");
    assert.equal(fate(gateway.send(asking(objective("batch-of-q")))), "continue");
    assert.equal(gateway.counters().shed, undefined);
  });

  test("no pod at all is saturation 1", () => {
    const gateway = fed(
      {},
      pool(0, 0, { endpoints: [endpoint(A, { ready: false, pool: "default/p" })], models: [base("m", [A])] }),
    );
    assert.equal(fate(gateway.send(asking(objective("batch")))), "429 saturated");
    assert.equal(fate(gateway.send(asking())), "continue");
    assert.equal(gateway.counters().no_endpoint, 1);
  });

  test("a whole pool counts, not only the pods of the model that is asked for", () => {
    const view = pool(15, 0);
    const gateway = fed(
      {},
      { ...view, models: [...(view.models ?? []), { ...base("only-b", [B]), pool: "default/p" }] },
    );
    assert.equal(fate(gateway.send(asking(objective("batch"), "only-b"))), "429 saturated");
  });

  test("the headers of objective and fairness id do not reach the pod, unless told to", () => {
    const both = { ...objective("urgent"), [FAIRNESS_HEADER]: "anne" };
    const stripped = fed({}, ROOMY()).send(asking(both)).outcome.requestHeaders;
    assert.equal(stripped?.get(OBJECTIVE_HEADER), undefined);
    assert.equal(stripped?.get(FAIRNESS_HEADER), undefined);
    const passed = fed({ headers: "pass" }, ROOMY()).send(asking(both)).outcome.requestHeaders;
    assert.equal(passed?.get(OBJECTIVE_HEADER), "urgent");
    assert.equal(passed?.get(FAIRNESS_HEADER), "anne");
  });

  test("a stale snapshot, the mode off and a dry run refuse nobody", () => {
    const stale = fed({}, SATURATED());
    stale.process.advance(3000);
    assert.equal(fate(stale.send(asking(objective("batch")))), "continue");
    assert.equal(fate(fed({ mode: "off" }, SATURATED()).send(asking(objective("batch")))), "continue");
    const dry = fed({}, SATURATED(), { pick: { dryRun: true } });
    assert.equal(fate(dry.send(asking(objective("batch")))), "continue");
  });

  test("thresholds and waits are configured under the endpoint picker's names", () => {
    const limits = { queueDepthThreshold: 10, kvCacheUtilThreshold: 0.5, metricsStalenessThreshold: "500ms" };
    const gateway = fed({ saturation: limits, retryAfter: "7s" }, SATURATED());
    assert.equal(fate(gateway.send(asking(objective("batch")))), "continue");
    gateway.feed(pool(10));
    const shed = gateway.send(asking(objective("batch")));
    assert.equal(fate(shed), "429 saturated");
    assert.equal(shed.localResponse?.headers.get("retry-after"), "7");
    gateway.feed(pool(0));
    gateway.process.advance(600);
    assert.equal(fate(gateway.send(asking(objective("batch")))), "429 saturated", "signals are too old");
  });
});

test("the configuration in docs/admission.md is accepted as it stands", () => {
  const text = readFileSync(new URL("../../docs/admission.md", import.meta.url), "utf8");
  const block = /```json\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
  const gateway = new Gateway({ configuration: JSON.parse(block) });
  gateway.feed(SATURATED());
  assert.equal(fate(gateway.send(asking(objective("batch")))), "429 saturated");
  assert.equal(fate(gateway.send(asking(objective("interactive")))), "held");
});

describe("priorities", () => {
  test("come from the configuration where there is no cluster, and win over the snapshot's", () => {
    const gateway = fed({ objectives: { batch: 3, mine: -5 } }, SATURATED());
    assert.equal(fate(gateway.send(asking(objective("batch")))), "continue");
    assert.equal(fate(gateway.send(asking(objective("mine")))), "429 saturated");
  });

  test("of a name that a rule gives one hold for requests without an objective", () => {
    const rule = { pool: "default/p", targets: [{ model: "m", weight: 1 }] };
    const rules = [
      { ...rule, model: "cheap", priority: -1 },
      { ...rule, model: "m", priority: null },
    ];
    const gateway = fed({}, pool(5, 5, { rules }));
    assert.equal(fate(gateway.send(asking({}, "cheap"))), "429 saturated");
    assert.equal(fate(gateway.send(asking(objective("urgent"), "cheap"))), "continue");
    assert.equal(fate(gateway.send(asking({}, "m"))), "continue");
  });
});

describe("rules of the snapshot", () => {
  const rules = [{ model: "food-review", pool: "default/p", priority: null, targets: [{ model: "m", weight: 1 }] }];

  test("put the served name into the body and keep the client's for the route, as behind the body-based router", () => {
    const gateway = fed({}, pool(0, 0, { rules }));
    const stream = gateway.send(asking({}, "food-review"));
    assert.equal(JSON.parse(stream.outcome.body.toString()).model, "m");
    assert.equal(routed(stream.outcome).model, "food-review");
    assert.equal(routed(stream.outcome).base, "m");
    const answer = stream.respond({ body: '{"model":"m","x":1}', upstreamAddress: A });
    assert.equal(answer.body.toString(), '{"model":"food-review","x":1}');
    assert.equal(gateway.counters().rewritten, 1);
  });

  test("give way to the configuration's, and stay when the snapshot is stale", () => {
    const own = { models: { rules: [{ name: "food-review", model: "other" }] } };
    const gateway = fed({}, pool(0, 0, { rules }), own);
    assert.equal(routed(gateway.send(asking({}, "food-review")).outcome).model, "other");
    const stale = fed({}, pool(0, 0, { rules }));
    stale.process.advance(3000);
    assert.equal(JSON.parse(stale.send(asking({}, "food-review")).outcome.body.toString()).model, "m");
  });

  test("are listed by GET /v1/models beside the models", () => {
    const more = [
      ...rules,
      { model: "chat", pool: "default/p", priority: null, targets: [{ model: "nobody", weight: 1 }] },
      { model: "m", pool: "default/p", priority: 1, targets: [{ model: "m", weight: 1 }] },
      { model: null, pool: "default/p", priority: null, targets: [{ model: "m", weight: 1 }] },
    ];
    const gateway = fed({}, pool(0, 0, { rules: more }));
    const { json } = gateway.control({ method: "GET", path: "/v1/models" });
    const listed = json.data.map(({ id, root }: { id: string; root: string }) => `${id} of ${root}`);
    assert.deepEqual(listed, ["m of m", "food-review of m"]);
  });

  test("outlive the snapshot that they came with: the answer gets the client's name back", () => {
    const gateway = fed({}, pool(0, 0, { rules }));
    const stream = gateway.send(asking({}, "food-review"));
    for (let i = 0; i < 3; i++) gateway.feed(pool(0, 0, { rules: [], models: [base(`x${i}`, [A])] }));
    assert.equal(
      stream.respond({ body: '{"model":"m"}', upstreamAddress: A }).body.toString(),
      '{"model":"food-review"}',
    );
  });
});

describe("held requests", () => {
  test("wait at saturation, and go on where there is room then: the pick is made at that moment", () => {
    const gateway = fed(HOLD, SATURATED());
    const stream = gateway.send(asking());
    assert.equal(fate(stream), "held");
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

  test("are let go at once when another request ends, without waiting for a tick", () => {
    const gateway = fed(HOLD, ROOMY());
    const open = Array.from({ length: 10 }, () => gateway.chat("m"));
    gateway.settle();
    gateway.feed(SATURATED());
    const waiting = [gateway.send(asking()), gateway.send(asking())];
    assert.deepEqual(waiting.map(fate), ["held", "held"]);
    complete(open.pop() as Stream, A);
    assert.deepEqual(waiting.map(fate), ["continue", "held"]);
    open.pop()?.abort();
    assert.deepEqual(waiting.map(fate), ["continue", "continue"]);
    gateway.assertHealthy();
  });

  test("do not go when a request ends while queues are long", () => {
    const gateway = fed(HOLD, ROOMY());
    const open = Array.from({ length: 10 }, () => gateway.chat("m"));
    gateway.settle();
    gateway.feed(pool(20));
    const stream = gateway.send(asking());
    for (const one of open) complete(one, A);
    gateway.settle();
    assert.equal(fate(stream), "held");
    gateway.feed(ROOMY());
    assert.equal(fate(stream), "continue");
  });

  test("go by priority, then in turn among fairness ids, then as they came", () => {
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
    // Room for one more: 9 of 10 in the queues.
    for (let round = 0; round < 5; round++) {
      gateway.feed(pool(5, 4));
      order.push(gone());
      gateway.feed(SATURATED());
    }
    const fresh = order.map((names, i) => names.filter((name) => !order[i - 1]?.includes(name)).join());
    assert.deepEqual(fresh, ["u1", "a1", "b1", "a2", "a3"]);
  });

  test("no more are let go than there is room for until the next scrape", () => {
    const gateway = fed(HOLD, SATURATED());
    const streams = Array.from({ length: 40 }, () => gateway.send(asking()));
    gateway.feed(pool(4, 4));
    assert.equal(streams.filter((stream) => fate(stream) === "continue").length, 2);
    gateway.process.advance(200);
    assert.equal(streams.filter((stream) => fate(stream) === "continue").length, 2, "nothing is known that is new");
    gateway.feed(ROOMY());
    assert.equal(streams.filter((stream) => fate(stream) === "continue").length, 12);
  });

  test("who comes later does not overtake them", () => {
    const gateway = fed(HOLD, SATURATED());
    const first = Array.from({ length: 20 }, () => gateway.send(asking()));
    gateway.feed(pool(4));
    const late = gateway.send(asking());
    assert.deepEqual([first.filter((stream) => fate(stream) === "held").length, fate(late)], [18, "held"]);
  });

  test("are answered with 503 when their time is over, and a first pod within it serves them", () => {
    const gateway = fed(HOLD, SATURATED());
    const busy = gateway.send(asking());
    gateway.process.advance(500);
    assert.equal(fate(busy), "held");
    for (let i = 0; i < 3; i++) gateway.feed(SATURATED());
    gateway.process.advance(600);
    assert.equal(fate(busy), "503 hold_timeout");
    assert.equal(busy.localResponse?.headers.get("retry-after"), "1");
    gateway.feed(EMPTY);
    const absent = gateway.send(asking());
    assert.equal(fate(absent), "held", "scaled to zero");
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

  test("beyond the limit are refused, and give way to higher priorities", () => {
    const gateway = fed({ ...HOLD, hold: { maxRequests: 2 } }, SATURATED());
    const first = gateway.send(asking());
    const second = gateway.send(asking());
    assert.equal(fate(gateway.send(asking())), "429 queue_full");
    const urgent = gateway.send(asking(objective("urgent")));
    assert.deepEqual([first, second, urgent].map(fate), ["held", "429 queue_full", "held"]);
    const { held } = gateway.counters();
    assert.deepEqual([held, gateway.counters()["hold.full"], gateway.counters()["hold.displaced"]], [3, 1, 1]);
    gateway.assertHealthy();
  });

  test("are bounded in bytes as well", () => {
    const gateway = fed({ ...HOLD, hold: { maxBytes: 1024 } }, SATURATED());
    const large = { ...asking(), body: JSON.stringify({ model: "m", prompt: "x".repeat(600) }) };
    assert.equal(fate(gateway.send(large)), "held");
    assert.equal(fate(gateway.send(large)), "429 queue_full");
    const urgent = { ...large, headers: { ...JSON_TYPE, ...objective("urgent") } };
    assert.equal(fate(gateway.send(urgent)), "held");
    const huge = { ...urgent, body: JSON.stringify({ model: "m", prompt: "x".repeat(2000) }) };
    assert.equal(fate(gateway.send(huge)), "429 queue_full");
    assert.equal(gateway.counters()["hold.displaced"], 1, "what cannot fit displaces nobody");
  });

  test("whose client goes away leave the queue once", () => {
    const gateway = fed(HOLD, SATURATED());
    const streams = Array.from({ length: 5 }, () => gateway.send(asking()));
    streams[2]?.abort();
    gateway.settle();
    gateway.feed(ROOMY());
    assert.deepEqual(streams.filter((_, i) => i !== 2).map(fate), Array(4).fill("continue"));
    assert.deepEqual([gateway.counters()["hold.aborted"], gateway.counters().resumed], [1, 4]);
    gateway.assertHealthy();
  });

  test("of a negative priority are refused, not held", () => {
    const gateway = fed(HOLD, SATURATED());
    assert.equal(fate(gateway.send(asking(objective("batch")))), "429 saturated");
  });

  test("go on when the snapshot becomes stale, and when their model is not known any more", () => {
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

  test("go on when the configuration holds nobody any more, and wait as long as the new one says", () => {
    const gateway = fed({ ...HOLD, hold: { timeout: "60s" } }, SATURATED());
    const first = gateway.send(asking());
    gateway.worker().configure(JSON.stringify({ admission: { mode: "shed" } }));
    gateway.settle();
    assert.equal(fate(first), "continue");
    gateway.worker().configure(JSON.stringify({ admission: { ...HOLD, hold: { timeout: "60s" } } }));
    const second = gateway.send(asking());
    assert.equal(fate(second), "held");
    gateway
      .worker()
      .configure(JSON.stringify({ admission: { ...HOLD, hold: { timeout: "100ms", maxRequests: 5000 } } }));
    gateway.process.advance(160);
    assert.equal(fate(second), "503 hold_timeout");
    gateway.assertHealthy();
  });

  test("go on when their root is deleted: nothing hangs", () => {
    const gateway = fed(HOLD, SATURATED());
    const stream = gateway.send(asking());
    gateway.worker().close();
    assert.equal(fate(stream), "continue");
    gateway.assertHealthy();
  });

  test("with a model in the path wait with their headers", () => {
    const gateway = fed(HOLD, SATURATED(), { paths: ["/models/{model}/"] });
    const stream = gateway.stream();
    stream.sendHeaders({ ":method": "POST", ":path": "/models/m/generate", ":authority": "x", ...JSON_TYPE });
    stream.sendBody("{}", true);
    assert.equal(fate(stream), "held");
    gateway.feed(ROOMY());
    assert.equal(fate(stream), "continue");
    assert.equal(stream.outcome.body.toString(), "{}");
    assert.ok(stream.outcome.requestHeaders?.get(DESTINATION_HEADER));
  });

  test("whose body is rewritten, has trailers or came in pieces are whole when they go on", () => {
    const rules = [{ model: "alias", pool: null, priority: null, targets: [{ model: "m", weight: 1 }] }];
    const gateway = fed(HOLD, pool(5, 5, { rules }));
    const stream = gateway.stream();
    const body = JSON.stringify({ prompt: "x".repeat(70_000), model: "alias" });
    const chunks = [body.slice(0, 10), body.slice(10, 65_000), body.slice(65_000)];
    stream.send({ path: "/v1/completions", headers: JSON_TYPE, chunks, trailers: { "x-end": "yes" } });
    assert.equal(fate(stream), "held");
    gateway.feed(pool(0, 0, { rules }));
    assert.equal(fate(stream), "continue");
    assert.equal(stream.outcome.body.toString(), body.replace("alias", "m"));
    assert.equal(stream.outcome.requestHeaders?.get(MODEL_HEADER), "alias");
    assert.equal(stream.outcome.requestTrailers?.get("x-end"), "yes");
  });
});

describe("two workers", () => {
  test("together let go what there is room for, give or take one each", () => {
    const gateway = fed({ ...HOLD, hold: { timeout: "60s" } }, SATURATED(), {}, 2);
    const streams = Array.from({ length: 100 }, (_, i) => gateway.send(asking(), i % 2));
    assert.ok(streams.every((stream) => fate(stream) === "held"));
    gateway.settle();
    const gone = () => streams.filter((stream) => fate(stream) === "continue").length;
    for (let round = 1; round <= 5; round++) {
      const before = gone();
      gateway.feed(ROOMY());
      gateway.process.advance(60);
      const let_go = gone() - before;
      assert.ok(let_go >= 10 && let_go <= 12, `round ${round}: ${let_go} for a room of 10`);
    }
  });
});

describe("a reader with a holder behind it", () => {
  /** Both in one VM, as two entries of one plugin are; pushes come on another listener. */
  function pair(admission: object, view: Partial<SnapshotView>) {
    const gateway = new Gateway();
    const { vm } = gateway.worker();
    const roots = [{ role: "reader", admission }, { role: "holder" }].map((configuration) =>
      vm.createRoot({ configuration: JSON.stringify(configuration) }),
    );
    gateway.feed(view);
    const send = (headers: Record<string, string> = {}, model = "m") => {
      const stream = new Stream(roots, { bufferLimit: 8 * 1024 * 1024 });
      stream.send(asking(headers, model));
      return stream;
    };
    return { gateway, send };
  }

  test("holds, resumes, refuses and gives up as one filter does", () => {
    const rules = [{ model: "alias", pool: null, priority: null, targets: [{ model: "m", weight: 1 }] }];
    const { gateway, send } = pair(HOLD, pool(5, 5, { rules }));
    const first = send({}, "alias");
    const second = send();
    assert.deepEqual([first, second, send(objective("batch"))].map(fate), ["held", "held", "429 saturated"]);
    gateway.feed(pool(5, 4, { rules }));
    assert.deepEqual([first, second].map(fate), ["continue", "held"]);
    assert.deepEqual(routed(first.outcome), { model: "alias", base: "m", destination: `${B},${A}` });
    assert.equal(JSON.parse(first.outcome.body.toString()).model, "m");
    gateway.feed(pool(9, 9, { rules }));
    complete(first, B);
    gateway.process.advance(1000);
    assert.equal(fate(second), "503 hold_timeout");
    const gone = send();
    assert.equal(fate(gone), "held");
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

describe("10,000 requests, held, shed, aborted and retried", () => {
  test("are each answered once, over two workers, and all counts return to 0", () => {
    const admission = { mode: "hold", hold: { maxRequests: 12, timeout: "300ms" } };
    const gateway = fed(admission, SATURATED(), {}, 2);
    const next = sequence(7);
    let waiting: Stream[] = [];
    const running: Stream[] = [];
    const fates: Record<string, number> = {};
    const tally = (what: string) => {
      fates[what] = (fates[what] ?? 0) + 1;
    };
    /** Sorts out what has become of those that were held. */
    const look = () => {
      const held: Stream[] = [];
      for (const stream of waiting) {
        const what = fate(stream);
        if (what === "held") held.push(stream);
        else if (what === "continue") running.push(stream);
        else {
          tally(what);
          stream.finish();
        }
      }
      waiting = held;
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
      // A client that is refused tries once more.
      if (waiting.at(-1)?.localResponse && sent < 10_000) send(headers, next(2));
      assert.ok(sent > before);
      look();
      if (waiting.length > 0 && next(10) === 0) {
        const [stream] = waiting.splice(next(waiting.length), 1) as [Stream];
        tally("aborted while held");
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
    gateway.process.advance(100);
    assert.equal(waiting.length, 0);
    assert.equal(
      Object.values(fates).reduce((sum, count) => sum + count, 0),
      10_000,
      JSON.stringify(fates),
    );
    for (const what of ["served", "aborted", "aborted while held", "429 saturated", "429 queue_full"]) {
      assert.ok((fates[what] ?? 0) > 50, `${what}: ${JSON.stringify(fates)}`);
    }
    const c = gateway.counters();
    const of = (name: string) => c[name] ?? 0;
    const ended =
      of("resumed") + of("hold.timeout") + of("hold.no_endpoint") + of("hold.displaced") + of("hold.aborted");
    assert.equal(of("held"), ended, "what was held went on, was refused or was given up, once");
    assert.equal(of("hold.aborted"), fates["aborted while held"]);
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

/** Reproducible numbers below a bound. */
function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % below;
  };
}
