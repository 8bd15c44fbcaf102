// The HTTP API of a pod: the `openai` client works with it, and responses and errors equal vLLM's.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { type Pod, startPod } from "../../simulator/pod.ts";
import { until } from "../../testkit/until.ts";

let pod: Pod;
let client: OpenAI;

before(async () => {
  const models = [{ id: "base", adapters: ["sql", "tweet"] }, { id: "other" }];
  pod = await startPod({ name: "pod-7", models, params: { speed: 100, maxModelLen: 2000 } });
  client = new OpenAI({ baseURL: `${pod.url}/v1`, apiKey: "none", maxRetries: 0 });
});

after(() => pod.close());

const HELLO = [{ role: "user" as const, content: "hello" }];

async function post(path: string, body: string | Buffer | FormData, headers: Record<string, string> = {}) {
  const json = body instanceof FormData ? {} : { "content-type": "application/json" };
  const response = await fetch(`${pod.url}${path}`, { method: "POST", body, headers: { ...json, ...headers } });
  const text = await response.text();
  assert.equal(response.headers.get("x-inference-pod"), "pod-7");
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
}

test("the openai client gets a chat response of the requested length and model", async () => {
  const { data, response } = await client.chat.completions
    .create({ model: "sql", messages: HELLO, max_completion_tokens: 5 })
    .withResponse();
  assert.equal(data.model, "sql");
  assert.equal(data.choices[0]?.message.content, "the quick pod reads one");
  assert.equal(data.choices[0]?.finish_reason, "length");
  assert.equal(data.usage?.completion_tokens, 5);
  assert.equal(response.headers.get("x-inference-pod"), "pod-7");
});

test("a chat without a limit ends by itself", async () => {
  const data = await client.chat.completions.create({ model: "base", messages: HELLO });
  assert.equal(data.choices[0]?.finish_reason, "stop");
  assert.equal(data.usage?.completion_tokens, pod.params.outputTokens);
});

test("the openai client reads a stream token by token, with usage on request", async () => {
  const stream = await client.chat.completions.create({
    model: "base",
    messages: HELLO,
    max_tokens: 4,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  assert.equal(chunks[0]?.choices[0]?.delta.role, "assistant");
  assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "the quick pod reads");
  assert.equal(chunks.length, 1 + 4 + 1);
  assert.equal(chunks[4]?.choices[0]?.finish_reason, "length");
  assert.equal(chunks[5]?.usage?.completion_tokens, 4);
  assert.equal(chunks[3]?.usage, undefined);
});

test("a stream has the same bytes as vLLM's", async () => {
  const body = JSON.stringify({ messages: HELLO, max_tokens: 2, stream: true });
  const { headers, text } = await post("/v1/chat/completions", body);
  assert.equal(headers.get("content-type"), "text/event-stream; charset=utf-8");
  const generic = text.replace(/"chatcmpl-[0-9a-f]{32}"/g, "ID").replace(/"created":\d{10}/g, "CREATED");
  const head = 'data: {"id":ID,"object":"chat.completion.chunk",CREATED,"model":"base","choices":[{"index":0,"delta":';
  assert.equal(
    generic,
    `${head}{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null,"prompt_text":null}\n\n` +
      `${head}{"content":"the"},"logprobs":null,"finish_reason":null,"token_ids":null}]}\n\n` +
      `${head}{"content":" quick"},"logprobs":null,"finish_reason":"length","stop_reason":null,"token_ids":null}]}\n\n` +
      "data: [DONE]\n\n",
  );
});

test("completions respond to every prompt and choice, streamed or not, with 16 tokens by default", async () => {
  const data = await client.completions.create({ model: "base", prompt: ["one", "two"], n: 2 });
  assert.deepEqual(
    data.choices.map((choice) => choice.index),
    [0, 1, 2, 3],
  );
  assert.equal(data.usage?.completion_tokens, 4 * 16);
  const stream = await client.completions.create({ model: "base", prompt: [1, 2, 3], max_tokens: 3, stream: true });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
  assert.equal(text, "the quick pod");
});

test("embeddings are floats or base64, and are the same for the same text", async () => {
  const floats = await client.embeddings.create({
    model: "base",
    input: ["long enough", "other text"],
    encoding_format: "float",
  });
  const again = await client.embeddings.create({ model: "base", input: "long enough" });
  assert.equal(floats.data.length, 2);
  assert.deepEqual(again.data[0]?.embedding.map(Math.fround), floats.data[0]?.embedding.map(Math.fround));
  assert.notDeepEqual(floats.data[0]?.embedding, floats.data[1]?.embedding);
});

test("the Responses API sends a stream or a whole response", async () => {
  const data = await client.responses.create({ model: "base", input: "hi", max_output_tokens: 3 });
  assert.equal(data.output_text, "the quick pod");
  const stream = await client.responses.create({ model: "base", input: "hi", stream: true });
  let text = "";
  let completed = 0;
  for await (const event of stream) {
    if (event.type === "response.output_text.delta") text += event.delta;
    if (event.type === "response.completed") completed = event.response.usage?.output_tokens ?? 0;
  }
  assert.ok(text.startsWith("the quick pod"));
  assert.equal(completed, pod.params.outputTokens);
});

test("a transcription reads the model part before or after the file", async () => {
  for (const order of ["model first", "model last"]) {
    const form = new FormData();
    if (order === "model first") form.append("model", "sql");
    form.append("file", new Blob([Buffer.alloc(5000, "\r\n--x")]), "a.wav");
    if (order === "model last") form.append("model", "sql");
    const before = pod.stats().models.sql?.received ?? 0;
    const answer = await post("/v1/audio/transcriptions", form);
    assert.equal(answer.status, 200);
    assert.equal(typeof answer.json().text, "string");
    assert.equal(pod.stats().models.sql?.received, before + 1);
  }
  const unknown = new FormData();
  unknown.append("file", new Blob(["x"]), "a.wav");
  unknown.append("model", "nobody");
  assert.equal((await post("/v1/audio/transcriptions", unknown)).status, 404);
});

test("/v1/models lists base models and adapters; an adapter has its base as parent and its path as root", async () => {
  interface Card {
    id: string;
    root: string;
    parent: string | null;
    max_model_len: number | null;
  }
  const { data } = (await (await fetch(`${pod.url}/v1/models`)).json()) as { data: Card[] };
  assert.deepEqual(
    data.map((card) => [card.id, card.root, card.parent]),
    [
      ["base", "base", null],
      ["other", "other", null],
      ["sql", "/adapters/sql", "base"],
      ["tweet", "/adapters/tweet", "base"],
    ],
  );
  assert.equal(data[0]?.max_model_len, 2000);
});

test("a missing, null or empty model means the default model; a byte order mark is skipped; the last of equal keys wins", async () => {
  const rest = '"messages":[{"role":"user","content":"x"}],"max_tokens":1';
  for (const body of [`{${rest}}`, `{"model":null,${rest}}`, `{"model":"",${rest}}`, `\uFEFF{${rest}}`]) {
    assert.equal((await post("/v1/chat/completions", body)).json().model, "base");
  }
  const twice = await post("/v1/chat/completions", `{"model":"nobody",${rest},"model":"other"}`);
  assert.equal(twice.json().model, "other");
});

test("an unknown model gets vLLM's 404", async () => {
  const { status, json } = await post("/v1/chat/completions", JSON.stringify({ model: "x", messages: HELLO }));
  assert.equal(status, 404);
  assert.deepEqual(json(), {
    error: { message: "The model `x` does not exist.", type: "NotFoundError", param: "model", code: 404 },
  });
});

test("a body that FastAPI refuses is refused with FastAPI's message", async () => {
  const cases: [string, string, string][] = [
    ['{"messages":', "body.12", "'type': 'json_invalid', 'loc': ('body', 12), 'msg': 'JSON decode error'"],
    [
      '{"model":"base"}',
      "body.messages",
      "'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required', 'input': {'model': 'base'}",
    ],
    [
      '{"messages":"hi"}',
      "body.messages",
      "'type': 'list_type', 'loc': ('body', 'messages'), 'msg': 'Input should be a valid list', 'input': 'hi'",
    ],
    [
      '{"messages":[],"model":7}',
      "body.model",
      "'type': 'string_type', 'loc': ('body', 'model'), 'msg': 'Input should be a valid string', 'input': 7",
    ],
    ['{"messages":[],"max_tokens":1.5}', "body.max_tokens", "'type': 'int_from_float'"],
    ['{"messages":[],"stream":"maybe"}', "body.stream", "'type': 'bool_parsing'"],
    ["[]", "body", "'type': 'model_attributes_type', 'loc': ('body',)"],
  ];
  for (const [body, param, text] of cases) {
    const { status, json } = await post("/v1/chat/completions", body);
    assert.equal(status, 400, body);
    const { error } = json();
    assert.deepEqual([error.type, error.param, error.code], ["Bad Request", param, 400]);
    assert.ok(error.message.startsWith("1 validation error:\n  {"), error.message);
    assert.ok(error.message.includes(text), error.message);
  }
  const bad = await post("/v1/chat/completions", Buffer.from([0x22, 0xff, 0x22]));
  assert.equal(bad.json().error.message, "There was an error parsing the body");
  const typed = await post("/v1/chat/completions", "{}", { "content-type": "text/plain" });
  assert.match(typed.json().error.message, /Only 'application\/json' is allowed/);
  const zero = await post("/v1/chat/completions", JSON.stringify({ messages: HELLO, max_tokens: 0 }));
  assert.deepEqual(
    [zero.status, zero.json().error.message, zero.json().error.param],
    [400, "max_tokens must be at least 1, got 0.", "max_tokens"],
  );
});

test("a prompt without room for the requested tokens is refused with the context length", async () => {
  const messages = [{ role: "user", content: "x".repeat(7600) }];
  const { status, json } = await post("/v1/chat/completions", JSON.stringify({ messages, max_tokens: 500 }));
  assert.equal(status, 400);
  const { error } = json();
  assert.equal(error.type, "BadRequestError");
  assert.equal(error.param, "input_tokens");
  assert.match(
    error.message,
    /^This model's maximum context length is 2000 tokens\. However, you requested 500 output/,
  );
});

test("a whole response has the load report on request", async () => {
  const body = { messages: HELLO, max_tokens: 1 };
  const asked = { "endpoint-load-metrics-format": "TEXT" };
  const whole = await post("/v1/chat/completions", JSON.stringify(body), asked);
  assert.equal(
    whole.headers.get("endpoint-load-metrics"),
    "TEXT named_metrics.num_requests_waiting=0.0, named_metrics.kv_cache_usage_perc=0.0",
  );
  const streamed = await post("/v1/chat/completions", JSON.stringify({ ...body, stream: true }), asked);
  assert.equal(streamed.headers.get("endpoint-load-metrics"), null);
  const unasked = await post("/v1/chat/completions", JSON.stringify(body));
  assert.equal(unasked.headers.get("endpoint-load-metrics"), null);
});

test("usage reports the cached tokens of a repeated prompt if so configured", async () => {
  pod.set({ promptTokensDetails: true });
  const content = "a prompt of its own, long enough for some blocks of the cache. ".repeat(8);
  const ask = () =>
    client.chat.completions.create({ model: "base", messages: [{ role: "user", content }], max_tokens: 1 });
  assert.equal((await ask()).usage?.prompt_tokens_details?.cached_tokens, 0);
  const usage = (await ask()).usage;
  assert.equal(usage?.prompt_tokens_details?.cached_tokens, Math.floor(((usage?.prompt_tokens ?? 0) - 1) / 16) * 16);
  pod.set({ promptTokensDetails: false });
});

test("a client that goes away frees its slot or its queue entry", async () => {
  pod.set({ slots: 1, speed: 1 });
  const controllers = [new AbortController(), new AbortController(), new AbortController()];
  const aborted = pod.stats().aborted;
  const requests = controllers.map(({ signal }, i) =>
    fetch(`${pod.url}/v1/chat/completions`, {
      method: "POST",
      signal,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages: HELLO, max_tokens: 1000, stream: i === 0 }),
    }).then((response) => response.text()),
  );
  await until("one to run and two to wait", () => pod.engine.runningNow === 1 && pod.engine.waitingNow === 2);
  for (const controller of controllers) controller.abort();
  await Promise.allSettled(requests);
  await until("none of them", () => pod.engine.runningNow === 0 && pod.engine.waitingNow === 0);
  assert.equal(pod.stats().aborted, aborted + 3);
  assert.equal(pod.engine.cache.used, 0);
  pod.set({ slots: 128, speed: 100 });
});

test("health is 200 and empty, unknown paths are 404, other methods are 405, all in vLLM's format", async () => {
  const health = await fetch(`${pod.url}/health`);
  assert.deepEqual([health.status, await health.text()], [200, ""]);
  const unknown = await fetch(`${pod.url}/v1/nothing`);
  const shape = { message: "Not Found", type: "Not Found", param: null, code: 404 };
  assert.deepEqual([unknown.status, await unknown.json()], [404, { error: shape }]);
  assert.equal((await fetch(`${pod.url}/v1/chat/completions`)).status, 405);
  assert.deepEqual(await (await fetch(`${pod.url}/version`)).json(), { version: "0.32.0" });
});

test("a body over the limit is refused by its declared length", async () => {
  const socket = connect(pod.port, "127.0.0.1");
  socket.write(
    "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n",
  );
  let answer = "";
  socket.on("data", (data) => {
    answer += data;
  });
  await new Promise((resolve) => socket.on("close", resolve));
  assert.match(answer, /^HTTP\/1\.1 413 /);
});
