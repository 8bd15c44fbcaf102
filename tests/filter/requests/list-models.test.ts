// GET /v1/models/{id}, which returns one entry of the list of models.
import assert from "node:assert/strict";
import { test } from "node:test";
import { A, adapter, base, endpoint, Gateway } from "../../../testkit/filter/gateway.ts";

const rule = (model: string, target: string) => ({
  model,
  pool: null,
  priority: null,
  targets: [{ model: target, weight: 1 }],
});

function fed(models: object = {}): Gateway {
  const rules = [
    { name: "gpt-4", model: "org/m" },
    { name: "nowhere", model: "unlisted" },
    { name: "wild-*", model: "org/m" },
  ];
  const gateway = new Gateway({ configuration: { models: { rules, ...models } } });
  gateway.feed({
    endpoints: [endpoint(A)],
    models: [base("org/m", [A]), adapter("lora", "org/m", [A])],
    rules: [rule("chat", "lora"), rule("gone", "unlisted")],
  });
  return gateway;
}

test("models, adapters and aliases have the entries of the list, by their names as written or percent-encoded", () => {
  const gateway = fed();
  const list = gateway.control({ method: "GET", path: "/v1/models" }).json.data as { id: string }[];
  assert.deepEqual(list.map(({ id }) => id).sort(), ["chat", "gpt-4", "lora", "org/m"]);
  for (const card of list)
    for (const path of [card.id, encodeURIComponent(card.id), `${card.id}?x=1`])
      assert.deepEqual(gateway.control({ method: "GET", path: `/v1/models/${path}` }), { status: 200, json: card });
  gateway.expectCounters({ "snapshot.stored": 1, models_listed: 13 });
  gateway.assertHealthy();
});

test("an upstream answers for other names and other methods, and for all names where the list is off", () => {
  const ids = ["", "nobody", "nowhere", "gone", "wild-1", "wild-*", "lora/x", "%zz", "%ff", "lor", "x".repeat(300)];
  for (const id of ids) {
    const { outcome } = fed().send({ method: "GET", path: `/v1/models/${id}` });
    assert.equal(outcome.action, "continue", id);
  }
  for (const method of ["DELETE", "HEAD"])
    assert.equal(fed().send({ method, path: "/v1/models/lora" }).outcome.action, "continue", method);
  assert.equal(fed({ list: false }).send({ method: "GET", path: "/v1/models/lora" }).outcome.action, "continue");
  assert.equal(new Gateway().send({ method: "GET", path: "/v1/models/lora" }).outcome.action, "continue");
});
