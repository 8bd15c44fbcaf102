// More about model names: the list of models, other fields of the body, and BBR's own configuration.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import OpenAI from "openai";
import type { JsonObject } from "../../envoy/json.ts";
import { BASE_MODEL_HEADER, MODEL_HEADER } from "../../protocol/constants.ts";
import { valuesOf } from "../../testkit/echo.ts";
import { counter, pushToAll, rises } from "../../testkit/envoy/filter-envoy.ts";
import { fastPod, feed, known } from "../../testkit/fleet.ts";
import { chat, post, send } from "../../testkit/http.ts";
import { atEnd, closeAll, snapshot, stand } from "../../testkit/stand.ts";

after(closeAll);

describe("GET /v1/models", async () => {
  const rules = [
    { name: "gpt-4", model: "llama" },
    { name: "my-sql", model: "sql" },
    { name: "nowhere", model: "unlisted" },
    { name: "claude-*", model: "llama" },
  ];

  test("lists models, adapters with their base, and aliases to the official client", async () => {
    const { envoy, echo } = await stand({ models: { rules } });
    const pod = await fastPod("pod-1", "base", { models: [{ id: "base", adapters: ["adapter"] }] });
    atEnd(() => pod.close());
    await pushToAll(envoy, snapshot(echo));
    const client = new OpenAI({ apiKey: "none", baseURL: `${envoy.url}/v1`, maxRetries: 0 });
    type Card = OpenAI.Model & { root: string; parent: string | null };
    let cards: Card[] = [];
    const rise = await rises(envoy, async () => {
      cards = (await client.models.list()).data as Card[];
    });
    assert.deepEqual(rise, { models_listed: 1 });
    const shown = cards.map(({ id, root, parent }) => ({ id, root, parent })).sort((a, b) => (a.id < b.id ? -1 : 1));
    assert.deepEqual(shown, [
      { id: "gpt-4", root: "llama", parent: null },
      { id: "llama", root: "llama", parent: null },
      { id: "my-sql", root: "sql", parent: "llama" },
      { id: "qwen", root: "qwen", parent: null },
      { id: "sql", root: "sql", parent: "llama" },
    ]);
    for (const { object, created, owned_by } of cards) {
      assert.equal(object, "model");
      assert.ok(Math.abs(created - Date.now() / 1000) < 3600);
      assert.equal(owned_by, "pilotfish");
    }
    assert.equal(echo.seen.length, 0);

    // Models that the sidecar learns from a pod are listed as well.
    const sidecar = await feed({ pods: [pod], envoys: [envoy] });
    atEnd(() => sidecar.close());
    await known(envoy, "base", "adapter");
    const learnt = (await client.models.list()).data as Card[];
    assert.equal(learnt.find(({ id }) => id === "adapter")?.parent, "base");
  });

  test("goes to the upstream without a snapshot, for other methods, for unlisted names, or when disabled", async () => {
    const { envoy, echo } = await stand({});
    await send(envoy.url, { path: "/v1/models" });
    assert.equal(echo.seen.length, 0, "an echo answers that path without remembering it");
    assert.equal(await counter(envoy, "models_listed"), 0);
    await pushToAll(envoy, snapshot(echo));
    for (const [method, path] of [
      ["DELETE", "/v1/models"],
      ["GET", "/v1/models/nobody"],
      ["GET", "/v1/modelsx"],
    ]) {
      const answer = await send(envoy.url, { method: method as string, path: path as string });
      assert.equal(answer.pod, "echo-1", `${method} ${path}`);
    }
    assert.equal((await send(envoy.url, { path: "/v1/models/llama" })).json.id, "llama");
    assert.equal((await send(envoy.url, { path: "/v1/models?limit=3" })).pod, undefined);
    assert.equal(await counter(envoy, "models_listed"), 2);

    const off = await stand({ models: { list: false } });
    await pushToAll(off.envoy, snapshot(off.echo));
    assert.equal((await send(off.envoy.url, { path: "/v1/models" })).pod, "echo-1");
    assert.equal(await counter(off.envoy, "models_listed"), 0);
  });
});

describe("fields of the body become headers", async () => {
  test("strings decoded, numbers and booleans as written, null as absent; lists and objects are ignored and counted", async () => {
    const names = ["s", "n", "b", "z", "l", "o", "d"];
    const fields = names.map((field) => ({ field, header: `X-Field-${field}` }));
    const { envoy, echo } = await stand({ body: { fields } });
    const body = String.raw`{"s":"a\u00e9\u0062","n":-1.50e+2,"b":false,"z":null,"l":[1],"o":{"a":1},"d":1,"d":"two","model":"llama"}`;
    const rise = await rises(envoy, () => post(envoy.url, body));
    assert.deepEqual(rise, { requests: 1, no_snapshot: 1, field_ignored: 2 });
    const values = Object.fromEntries(names.map((name) => [name, valuesOf(echo.last(), `x-field-${name}`)]));
    const s = Buffer.from(values.s?.[0] ?? "", "latin1").toString();
    assert.deepEqual({ ...values, s }, { s: "aéb", n: ["-1.50e+2"], b: ["false"], z: [], l: [], o: [], d: ["two"] });
    assert.deepEqual(valuesOf(echo.last(), MODEL_HEADER), ["llama"]);
    assert.equal(echo.last().body.toString(), body);
  });

  test("no value injects a header: line breaks and other control characters are refused", async () => {
    const { envoy, echo } = await stand({ body: { fields: [{ field: "user", header: "x-user" }] } });
    for (const evil of ["a\r\nx-admin: 1", "a\nb", "a\u0000b", "a\u007fb", " a", "a ", "x".repeat(257)]) {
      const field = await post(envoy.url, chat("llama", { user: evil }));
      assert.deepEqual([field.status, field.json.error.code], [400, "invalid_field"], JSON.stringify(evil));
      const model = await post(envoy.url, chat(evil));
      assert.deepEqual([model.status, model.json.error.code], [400, "invalid_model"], JSON.stringify(evil));
    }
    assert.equal(echo.seen.length, 0);
    assert.equal(await counter(envoy, "invalid_field"), 7);
    assert.equal(await counter(envoy, "invalid_model"), 7);
  });

  const spellings: [string, JsonObject][] = [
    [
      "plugins as objects",
      {
        plugins: [
          { type: "body-field-to-header", name: "m", json: { fieldName: "model", headerName: "X-Gateway-Model-Name" } },
          { type: "body-field-to-header", name: "u", json: { fieldName: "user", headerName: "X-User" } },
          { type: "base-model-to-header", name: "b" },
        ],
      },
    ],
    [
      "plugins as flags",
      {
        plugins: [
          'body-field-to-header:m:{"fieldName":"model","headerName":"X-Gateway-Model-Name"}',
          'body-field-to-header:u:{"fieldName":"user","headerName":"X-User"}',
          "base-model-to-header:b",
        ],
      },
    ],
    [
      "plugins in the old spelling",
      {
        plugins: [
          {
            type: "body-field-to-header",
            name: "m",
            json: { field_name: "model", header_name: "X-Gateway-Model-Name" },
          },
          'body-field-to-header:u:{"field_name":"user","header_name":"X-User"}',
          { type: "base-model-to-header" },
        ],
      },
    ],
  ];
  for (const [spelling, filter] of spellings) {
    test(`BBR's ${spelling} have the same effect as in BBR`, async () => {
      const { envoy, echo } = await stand(filter, ["llama", "sql"]);
      await pushToAll(envoy, snapshot(echo));
      await post(envoy.url, chat("sql", { user: "me" }));
      assert.deepEqual(valuesOf(echo.last(), MODEL_HEADER), ["sql"]);
      assert.deepEqual(valuesOf(echo.last(), "x-user"), ["me"]);
      assert.deepEqual(valuesOf(echo.last(), BASE_MODEL_HEADER), ["llama"]);
    });
  }

  test("BBR's plugins replace the default plugins: a header that no plugin lists is not written", async () => {
    const plugin = { type: "body-field-to-header", json: { fieldName: "user", headerName: "X-User" } };
    const { envoy, echo } = await stand({ plugins: [plugin] });
    await pushToAll(envoy, snapshot(echo));
    await post(envoy.url, chat("llama", { user: "me" }));
    assert.deepEqual(valuesOf(echo.last(), "x-user"), ["me"]);
    assert.deepEqual(valuesOf(echo.last(), MODEL_HEADER), []);
    assert.deepEqual(valuesOf(echo.last(), BASE_MODEL_HEADER), []);
  });
});
