// The Responses API on a real Envoy with two workers. One pod keeps a response, and every request for the response reaches this pod at
// once, over any connection. This file also tests sessions and explanations, because they need the same set-up.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "../../simulator/pod.ts";
import { around } from "../../testkit/around.ts";
import { nothingInFlight, pushToAll, rises, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { fastPod } from "../../testkit/fleet.ts";
import { chat, post, send } from "../../testkit/http.ts";

const DEBUG = "integration-debug-secret";

let pods: Pod[] = [];
let envoy: TestEnvoy;

around(
  async () => {
    pods = await Promise.all(["a", "b", "c", "d"].map((name) => fastPod(name, "m")));
    envoy = await startGateway({
      pools: [{ name: "pool", models: ["m"], endpoints: pods.map(({ address }) => address) }],
      filter: {
        snapshot: { staleAfter: "3600s" },
        pick: { profile: "load", debugSecret: DEBUG },
        models: { rules: [{ name: "alias", model: "m" }] },
      },
    });
    await pushToAll(envoy, { m: { on: pods } });
  },
  async () => {
    await envoy?.close();
    await Promise.all(pods.map((pod) => pod.close()));
  },
);

const create = (more: object = {}) =>
  send(envoy.url, {
    method: "POST",
    path: "/v1/responses",
    headers: { "content-type": "application/json", "accept-encoding": "gzip" },
    body: JSON.stringify({ model: "m", input: "hello", max_output_tokens: 2, ...more }),
  });

const idIn = (text: string) => /"id":"(resp_[^"]+)"/.exec(text)?.[1] as string;

test("a chain of responses stays with the pod of its first response, with a new connection for each step", async () => {
  const rise = await rises(envoy, async () => {
    const chains = Array.from({ length: 12 }, async (_, i) => {
      const stream = i % 2 === 1;
      const first = await create({ stream });
      assert.equal(first.status, 200, first.text);
      const pod = first.headers["x-inference-pod"];
      let id = idIn(first.text);
      for (let step = 0; step < 6; step++) {
        const next = await create({ stream, previous_response_id: id });
        assert.equal(next.status, 200, next.text);
        assert.equal(next.headers["x-inference-pod"], pod);
        id = idIn(next.text);
      }
      return pod;
    });
    assert.ok(new Set(await Promise.all(chains)).size > 1, "they do not all land on one pod");
  });
  assert.equal(rise["response.found"], 72);
  assert.equal(rise["response.unknown"], undefined);
});

test("GET and cancel by id reach the owner of the response, on any worker", async () => {
  const ids = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const answer = await create();
      return { id: idIn(answer.text), pod: answer.headers["x-inference-pod"] };
    }),
  );
  for (const { id, pod } of ids) {
    const got = await Promise.all(Array.from({ length: 6 }, () => send(envoy.url, { path: `/v1/responses/${id}` })));
    for (const answer of got) {
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json.id, id);
      assert.equal(answer.headers["x-inference-pod"], pod);
    }
    const cancel = await send(envoy.url, { method: "POST", path: `/v1/responses/${id}/cancel` });
    assert.match(cancel.text, /Cannot cancel a synchronous response/);
    assert.equal(cancel.headers["x-inference-pod"], pod);
  }
});

test("GET of a response that was requested by an alias has the alias too, on any worker", async () => {
  const made = await create({ model: "alias" });
  assert.equal(made.json.model, "alias");
  const path = `/v1/responses/${made.json.id}`;
  for (const answer of await Promise.all(Array.from({ length: 8 }, () => send(envoy.url, { path })))) {
    assert.deepEqual([answer.status, answer.json.id, answer.json.model], [200, made.json.id, "alias"]);
    assert.equal(answer.headers["x-inference-pod"], made.headers["x-inference-pod"]);
  }
});

test("a response without an owner is the server's 404", async () => {
  const answer = await create({ previous_response_id: "resp_0123456789abcdef" });
  assert.equal(answer.status, 404, answer.text);
  assert.match(answer.text, /Response with id 'resp_0123456789abcdef' not found/);
});

test("a session keeps one pod over many connections, and other sessions have other pods", async () => {
  const homes = new Set<unknown>();
  for (let i = 0; i < 12; i++) {
    const ask = () => post(envoy.url, chat("m"), { headers: { "x-session-id": `user-${i}` } });
    const answers = [await ask(), await ask(), ...(await Promise.all([ask(), ask(), ask()]))];
    const seen = new Set(answers.map(({ headers }) => headers["x-inference-pod"]));
    assert.equal(seen.size, 1, `user-${i}: ${[...seen].join(" ")}`);
    homes.add([...seen][0]);
  }
  assert.ok(homes.size > 1);
});

test("a request with the debug secret gets an explanation of its pick, and the pod does not see the secret", async () => {
  const answer = await post(envoy.url, chat("m"), { headers: { "x-pilotfish-debug": DEBUG } });
  const text = String(answer.headers["x-pilotfish-explain"]);
  assert.match(text, /^load candidates=4; 1 127\.0\.0\.1:\d+ cost=/);
  const picked = pods.find(({ name }) => name === answer.headers["x-inference-pod"]) as Pod;
  assert.ok(text.startsWith(`load candidates=4; 1 ${picked.address} `), text);
  const wrong = await post(envoy.url, chat("m"), { headers: { "x-pilotfish-debug": `${DEBUG}x` } });
  assert.equal(wrong.headers["x-pilotfish-explain"], undefined);
});

test("at the end nothing is counted as in flight", () => nothingInFlight(envoy));
