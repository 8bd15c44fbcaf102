// Requests with the model in the path, as for Azure OpenAI, Gemini and Bedrock.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MODEL_HEADER } from "../../protocol/constants.ts";
import { valuesOf } from "../../testkit/echo.ts";
import { pushToAll, rises } from "../../testkit/envoy/filter-envoy.ts";
import { chat, JSON_TYPE, post, send } from "../../testkit/http.ts";
import { closeAll, type Stand, stand } from "../../testkit/stand.ts";

after(closeAll);

describe("a model in the path", async () => {
  const paths = ["/openai/deployments/{model}/", "/v1beta/models/{model}:", "/model/{model}/invoke"];
  const rules = [{ name: "gpt-4", model: "org/llama+3" }];
  const models = ["llama", "org/llama 3", "org/llama+3"];
  const cases: [string, string, string, string][] = [
    ["Azure OpenAI", "/openai/deployments/llama/chat/completions?api-version=1", "llama", ""],
    ["Gemini", "/v1beta/models/llama:generateContent", "llama", ""],
    ["Bedrock", "/model/llama/invoke", "llama", ""],
    ["a percent-encoded name", "/model/org%2Fllama%203/invoke", "org/llama 3", ""],
    [
      "an alias",
      "/openai/deployments/gpt-4/embeddings?x=gpt-4",
      "org/llama+3",
      "/openai/deployments/org%2Fllama%2B3/embeddings?x=gpt-4",
    ],
  ];
  let made: Promise<Stand> | undefined;
  const one = () => {
    made ??= stand({ paths, models: { rules } }, models).then(async ({ envoy, echo }) => {
      await pushToAll(envoy, { llama: { on: [echo] }, "org/llama 3": { on: [echo] }, "org/llama+3": { on: [echo] } });
      return { envoy, echo };
    });
    return made;
  };

  for (const [what, path, model, rewritten] of cases) {
    test(`${what}: ${path}`, async () => {
      const { envoy, echo } = await one();
      const body = '{"model":"other","contents":[]}';
      const rise = await rises(envoy, async () => {
        const answer = await post(envoy.url, body, { path });
        assert.equal(answer.status, 200, answer.text);
      });
      assert.deepEqual(rise, { requests: 1, picked: 1, ...(rewritten ? { rewritten: 1 } : {}) });
      const seen = echo.last();
      assert.deepEqual(valuesOf(seen, MODEL_HEADER), [model]);
      assert.equal(seen.url, rewritten || path);
      assert.equal(seen.body.toString(), body, "the filter does not read the body");
    });
  }

  test("the answer to an alias in the path has the client's name", async () => {
    const { envoy, echo } = await one();
    echo.reply = (_seen, response) => void response.end('{"model":"org/llama+3"}');
    const answer = await post(envoy.url, "{}", { path: "/model/gpt-4/invoke" });
    assert.equal(answer.text, '{"model":"gpt-4"}');
  });

  test("a path is normalised before it is read: header, body and server agree on its model", async () => {
    const { envoy, echo } = await one();
    const detours: [string, string, string][] = [
      ["/openai/deployments/org%2Fllama%203/../../../v1/chat/completions", "/v1/chat/completions", "llama"],
      ["/openai/deployments/org%2Fllama%203/%2e%2e/llama/chat", "/openai/deployments/llama/chat", "llama"],
      ["/openai//deployments/./org%2Fllama%203/chat", "/openai/deployments/org%2Fllama%203/chat", "org/llama 3"],
    ];
    for (const [path, seen, model] of detours) {
      await post(envoy.url, chat("llama"), { path });
      assert.equal(echo.last().url, seen);
      assert.deepEqual(valuesOf(echo.last(), MODEL_HEADER), [model], path);
    }
  });

  test("an upload that the filter need not read is forwarded at once, in pieces", async () => {
    const { envoy, echo } = await one();
    let begun = false;
    echo.early = (_request, _response) => {
      begun = true;
      return false;
    };
    async function* pieces() {
      yield Buffer.from('{"a":');
      // The upstream gets the headers before the body has ended, so the filter keeps nothing back.
      while (!begun) await sleep(5);
      yield Buffer.from("1}");
    }
    const sending = { headers: JSON_TYPE, path: "/model/llama/invoke", body: Readable.from(pieces()) };
    assert.equal((await send(envoy.url, sending)).status, 200);
    echo.early = undefined;
  });

  test("a templated path without its model is refused; for a path without a template the filter reads the body", async () => {
    const { envoy, echo } = await one();
    const none = await post(envoy.url, "{}", { path: "/model/%0a/invoke" });
    assert.deepEqual([none.status, none.json.error.code], [400, "invalid_model"]);
    assert.equal((await post(envoy.url, chat("llama"))).status, 200);
    assert.deepEqual(valuesOf(echo.last(), MODEL_HEADER), ["llama"]);
  });
});
