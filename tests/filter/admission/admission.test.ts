// The requests that are admitted or refused while endpoints are saturated, and the snapshot's rules for names.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { FAIRNESS_HEADER, OBJECTIVE_HEADER } from "../../../protocol/constants.ts";
import { A, answerOf, B, base, endpoint, Gateway, routed } from "../../../testkit/filter/gateway.ts";
import { asking, fate, fed, objective, pool, ROOMY, SATURATED } from "../support/admission.ts";

describe("admission without a configuration is the endpoint picker's", () => {
  test("at saturation a request with a priority below 0 is refused with Retry-After, and no other request is", () => {
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

  test("below saturation no request is refused", () => {
    const gateway = fed({}, pool(5, 4));
    assert.equal(fate(gateway.send(asking(objective("batch")))), "continue");
  });

  test("an objective that is unknown, or of another pool, has priority 0", () => {
    const gateway = fed({}, SATURATED());
    assert.equal(fate(gateway.send(asking(objective("nobody")))), "continue");
    assert.equal(fate(gateway.send(asking(objective("batch-of-q")))), "continue");
    assert.equal(gateway.counters().shed, undefined);
  });

  test("a pool without endpoints is saturated", () => {
    const gateway = fed(
      {},
      pool(0, 0, { endpoints: [endpoint(A, { ready: false, pool: "default/p" })], models: [base("m", [A])] }),
    );
    assert.equal(fate(gateway.send(asking(objective("batch")))), "429 saturated");
    assert.equal(fate(gateway.send(asking())), "continue");
    assert.equal(gateway.counters().no_endpoint, 1);
  });

  test("all endpoints of a pool count, not only the endpoints of the requested model", () => {
    const view = pool(15, 0);
    const gateway = fed(
      {},
      { ...view, models: [...(view.models ?? []), { ...base("only-b", [B]), pool: "default/p" }] },
    );
    assert.equal(fate(gateway.send(asking(objective("batch"), "only-b"))), "429 saturated");
  });

  test("the headers of objective and fairness id do not reach the endpoint, unless the configuration lets them", () => {
    const both = { ...objective("urgent"), [FAIRNESS_HEADER]: "anne" };
    const stripped = fed({}, ROOMY()).send(asking(both)).outcome.requestHeaders;
    assert.equal(stripped?.get(OBJECTIVE_HEADER), undefined);
    assert.equal(stripped?.get(FAIRNESS_HEADER), undefined);
    const passed = fed({ headers: "pass" }, ROOMY()).send(asking(both)).outcome.requestHeaders;
    assert.equal(passed?.get(OBJECTIVE_HEADER), "urgent");
    assert.equal(passed?.get(FAIRNESS_HEADER), "anne");
  });

  test("a stale snapshot, the mode off and a dry run refuse no request", () => {
    const stale = fed({}, SATURATED());
    stale.process.advance(3000);
    assert.equal(fate(stale.send(asking(objective("batch")))), "continue");
    assert.equal(fate(fed({ mode: "off" }, SATURATED()).send(asking(objective("batch")))), "continue");
    const dry = fed({}, SATURATED(), { pick: { dryRun: true } });
    assert.equal(fate(dry.send(asking(objective("batch")))), "continue");
  });

  test("thresholds and timeouts have the endpoint picker's names", () => {
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

test("the configuration in docs/how-to/admission.md is accepted as it stands", () => {
  const text = readFileSync(new URL("../../../docs/how-to/admission.md", import.meta.url), "utf8");
  const block = /```json\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
  const gateway = new Gateway({ configuration: JSON.parse(block) });
  gateway.feed(SATURATED());
  assert.equal(fate(gateway.send(asking(objective("batch")))), "429 saturated");
  assert.equal(fate(gateway.send(asking(objective("interactive")))), "waits");
});

describe("priorities", () => {
  test("the configuration's priorities win over the snapshot's", () => {
    const gateway = fed({ objectives: { batch: 3, mine: -5 } }, SATURATED());
    assert.equal(fate(gateway.send(asking(objective("batch")))), "continue");
    assert.equal(fate(gateway.send(asking(objective("mine")))), "429 saturated");
  });

  test("a rule's priority holds for requests that name no objective", () => {
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

  test("a rule writes the served name into the body and keeps the client's name for the route, as the body-based router does", () => {
    const gateway = fed({}, pool(0, 0, { rules }));
    const stream = gateway.send(asking({}, "food-review"));
    assert.equal(JSON.parse(stream.outcome.body.toString()).model, "m");
    assert.equal(routed(stream.outcome).model, "food-review");
    assert.equal(routed(stream.outcome).base, "m");
    const answer = stream.respond({ body: '{"model":"m","x":1}', upstreamAddress: A });
    assert.equal(answer.body.toString(), '{"model":"food-review","x":1}');
    assert.equal(gateway.counters().rewritten, 1);
  });

  test("the configuration's rules win, and the snapshot's rules stay when the snapshot is stale", () => {
    const own = { models: { rules: [{ name: "food-review", model: "other" }] } };
    const gateway = fed({}, pool(0, 0, { rules }), own);
    assert.equal(routed(gateway.send(asking({}, "food-review")).outcome).model, "other");
    const stale = fed({}, pool(0, 0, { rules }));
    stale.process.advance(3000);
    assert.equal(JSON.parse(stale.send(asking({}, "food-review")).outcome.body.toString()).model, "m");
  });

  test("GET /v1/models lists the names of rules beside the models", () => {
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

  test("a response gets the client's name back although the rule's snapshot is gone", () => {
    const gateway = fed({}, pool(0, 0, { rules }));
    const stream = gateway.send(asking({}, "food-review"));
    for (let i = 0; i < 3; i++) gateway.feed(pool(0, 0, { rules: [], models: [base(`x${i}`, [A])] }));
    assert.equal(
      stream.respond({ body: '{"model":"m"}', upstreamAddress: A }).body.toString(),
      '{"model":"food-review"}',
    );
  });
});
