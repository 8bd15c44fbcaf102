// The main task: the official client, with Envoy as its base URL, gets an answer from a pod that serves the requested model.
import assert from "node:assert/strict";
import http from "node:http";
import http2 from "node:http2";
import { Readable } from "node:stream";
import { test } from "node:test";
import OpenAI from "openai";
import { DESTINATION_HEADER, MODEL_HEADER } from "../../protocol/constants.ts";
import type { Sidecar } from "../../sidecar/sidecar.ts";
import type { Pod } from "../../simulator/pod.ts";
import { around } from "../../testkit/around.ts";
import { type Echo, startEcho } from "../../testkit/echo.ts";
import { counter, rises, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { fastPod, feed, known, SLOW } from "../../testkit/fleet.ts";
import { chat, JSON_TYPE, post, send } from "../../testkit/http.ts";
import { Random } from "../../testkit/random.ts";
import { inParallel } from "../../testkit/until.ts";

let llama: Pod[] = [];
let qwen: Pod[] = [];
let slow: Pod;
let echo: Echo;
let many: Echo[] = [];
let envoy: TestEnvoy;
let sidecar: Sidecar;
let client: OpenAI;

around(
  async () => {
    llama = await Promise.all(["llama-1", "llama-2"].map((name) => fastPod(name, "llama")));
    qwen = [await fastPod("qwen-1", "qwen")];
    slow = await fastPod("slow-1", "slow", { params: { ...SLOW, stepBaseMs: 500 } });
    echo = await startEcho("echo-1", ["mirror"]);
    many = await Promise.all([1, 2, 3, 4].map((i) => startEcho(`many-${i}`, ["many"])));
    const pool = (name: string, pods: { address: string }[], model = name) => ({
      name,
      models: [model],
      endpoints: pods.map(({ address }) => address),
    });
    envoy = await startGateway({
      pools: [
        pool("llama", llama),
        pool("qwen", qwen),
        pool("slow", [slow]),
        pool("echo", [echo], "mirror"),
        pool("many", many),
      ],
      defaultPool: "echo",
      filter: { models: { list: false } },
    });
    sidecar = await feed({ pods: [...llama, ...qwen, slow, echo, ...many], envoys: [envoy] });
    await known(envoy, "llama", "qwen", "slow", "mirror", "many");
    client = new OpenAI({ apiKey: "none", baseURL: `${envoy.url}/v1`, maxRetries: 0 });
  },
  async () => {
    await sidecar?.close();
    await envoy?.close();
    await Promise.all([...llama, ...qwen, slow, echo, ...many].map((one) => one?.close()));
  },
);

const messages = [{ role: "user" as const, content: "hello" }];
const podsOf: Record<string, RegExp> = { llama: /^llama-[12]$/, qwen: /^qwen-1$/, mirror: /^echo-1$/ };

for (const model of ["llama", "qwen"]) {
  const pod = podsOf[model] as RegExp;

  test(`a chat for ${model} is answered by one of its pods`, async () => {
    const { data, response } = await client.chat.completions.create({ model, messages, max_tokens: 3 }).withResponse();
    assert.match(response.headers.get("x-inference-pod") ?? "", pod);
    assert.equal(data.model, model);
    assert.equal(data.usage?.completion_tokens, 3);
  });

  test(`a streamed chat for ${model} is answered by one of its pods, to its end`, async () => {
    const asked = { model, messages, max_tokens: 5, stream: true, stream_options: { include_usage: true } } as const;
    const { data, response } = await client.chat.completions.create(asked).withResponse();
    let tokens: number | undefined;
    for await (const chunk of data) {
      assert.equal(chunk.model, model);
      tokens = chunk.usage?.completion_tokens ?? tokens;
    }
    assert.equal(tokens, 5);
    assert.match(response.headers.get("x-inference-pod") ?? "", pod);
  });

  test(`a completion and an embedding for ${model} are answered by one of its pods`, async () => {
    const completion = await client.completions.create({ model, prompt: "once" }).withResponse();
    const embedding = await client.embeddings.create({ model, input: ["a", "b"] }).withResponse();
    assert.match(completion.response.headers.get("x-inference-pod") ?? "", pod);
    assert.match(embedding.response.headers.get("x-inference-pod") ?? "", pod);
    assert.equal(completion.data.model, model);
    assert.equal(embedding.data.data.length, 2);
  });

  test(`${model} is found behind messages of 200 KB`, async () => {
    const long = [{ role: "user" as const, content: 'a "quoted" word, '.repeat(12_000) }];
    const body = { messages: long, max_tokens: 1, temperature: 0.5, model };
    const answer = await post(envoy.url, body);
    assert.match(answer.pod ?? "", pod);
  });
}

test("the pod sees a header with the model and a header with the pick, and the counter of picks rises by one", async () => {
  const rise = await rises(envoy, () => post(envoy.url, chat("mirror")));
  assert.deepEqual(rise, { requests: 1, picked: 1 });
  assert.equal(echo.last().headers[MODEL_HEADER], "mirror");
  assert.equal(echo.last().headers[DESTINATION_HEADER], echo.address);
});

test("a pick has two different fallbacks, and the picked pod answers", async () => {
  for (let i = 0; i < 20; i++) {
    const answer = await post(envoy.url, chat("many"));
    const list: string[] = answer.json.headers[DESTINATION_HEADER].split(",");
    assert.equal(new Set(list).size, 3);
    assert.equal(many.find(({ name }) => name === answer.pod)?.address, list[0]);
  }
  assert.equal(await counter(envoy, "rerouted"), 0);
});

test("an unknown model is OpenAI's NotFoundError", async () => {
  await assert.rejects(client.chat.completions.create({ model: "gpt-17", messages }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    assert.equal(error.param, "model");
    assert.equal(error.type, "invalid_request_error");
    return true;
  });
});

test("a stream's first chunk reaches the client while the pod still makes the others", async () => {
  const stream = await client.chat.completions.create({ model: "slow", messages, max_tokens: 20, stream: true });
  let generatedAtFirst = -1;
  let chunks = 0;
  for await (const _ of stream) {
    if (chunks++ > 0) continue;
    generatedAtFirst = slow.stats().generatedTokens;
    slow.set({ stepBaseMs: 1 });
  }
  assert.ok(chunks >= 20, `${chunks} chunks`);
  assert.ok(generatedAtFirst < 20, `the first chunk came when ${generatedAtFirst} tokens were made`);
  assert.equal(slow.stats().generatedTokens, 20);
});

test("GET and other requests without a body pass, and no outcome counts them", async () => {
  const rise = await rises(envoy, async () => {
    for (const method of ["GET", "DELETE", "OPTIONS"]) {
      const answer = await send(envoy.url, { method, path: "/v1/responses/resp_1?include=all" });
      assert.equal(answer.status, 200);
      assert.equal(echo.last().method, method);
      assert.equal(echo.last().url, "/v1/responses/resp_1?include=all");
    }
  });
  assert.deepEqual(rise, { requests: 3, no_body: 3, "response.unknown": 3 });
});

test("an empty body passes or is refused, whether its length or its end shows that it is empty", async () => {
  const none = await send(envoy.url, { method: "POST", headers: { ...JSON_TYPE, "content-length": "0" } });
  assert.equal(none.status, 200);
  const chunked = await send(envoy.url, {
    headers: JSON_TYPE,
    body: Readable.from([]),
  });
  assert.equal(chunked.status, 400);
  assert.equal(chunked.json.error.code, "invalid_json");
});

test("a body that arrives byte by byte is read", async () => {
  const text = JSON.stringify({ messages, max_tokens: 1, model: "qwen" });
  const pieces = Readable.from([...text].map((letter) => Buffer.from(letter)));
  const answer = await send(envoy.url, { headers: JSON_TYPE, body: pieces });
  assert.equal(answer.pod, "qwen-1");
});

async function overHttp2(body: Buffer, trailers?: Record<string, string>): Promise<{ status: number; pod: string }> {
  const session = http2.connect(envoy.url);
  try {
    return await new Promise((resolve, reject) => {
      session.on("error", reject);
      const options = trailers ? { waitForTrailers: true } : {};
      const headers = { ":method": "POST", ":path": "/v1/chat/completions", "content-type": "application/json" };
      const stream = session.request(headers, options);
      if (trailers) stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      let answer = { status: 0, pod: "" };
      stream.on("response", (head) => {
        answer = { status: Number(head[":status"]), pod: String(head["x-inference-pod"]) };
      });
      stream
        .on("error", reject)
        .on("end", () => resolve(answer))
        .resume();
      stream.end(body);
    });
  } finally {
    session.close();
  }
}

test("2 MB over HTTP/2, model last, are routed and reach the pod byte by byte", async () => {
  const body = Buffer.from(JSON.stringify({ input: "häßlich \u{1f600} \\ ".repeat(120_000), model: "mirror" }));
  assert.ok(body.length > 2_000_000);
  assert.deepEqual(await overHttp2(body), { status: 200, pod: "echo-1" });
  assert.ok(echo.last().body.equals(body));
});

test("a body with trailers is routed", async () => {
  const body = Buffer.from(JSON.stringify(chat("mirror")));
  assert.deepEqual(await overHttp2(body, { "x-checksum": "abc" }), { status: 200, pod: "echo-1" });
  assert.equal(echo.last().headers[MODEL_HEADER], "mirror");
  assert.ok(echo.last().body.equals(body));
});

test("Expect: 100-continue gets its 100, then its answer", async () => {
  const body = JSON.stringify(chat("qwen"));
  const { pod, continued } = await new Promise<{ pod: unknown; continued: boolean }>((resolve, reject) => {
    const request = http.request(`${envoy.url}/v1/chat/completions`, {
      method: "POST",
      agent: false,
      headers: { ...JSON_TYPE, "content-length": Buffer.byteLength(body), expect: "100-continue" },
    });
    let continued = false;
    request.on("continue", () => {
      continued = true;
      request.end(body);
    });
    request.on("error", reject);
    request.on("response", (response) => {
      const pod = response.headers["x-inference-pod"];
      response.resume().on("end", () => resolve({ pod, continued }));
    });
    request.flushHeaders();
  });
  assert.deepEqual({ pod, continued }, { pod: "qwen-1", continued: true });
});

test("none of 2,000 mixed requests on kept connections is misrouted", async () => {
  const random = new Random(2026);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  const names = Object.keys(podsOf);
  const answered = new Map<string, number>();
  try {
    await inParallel(2000, 16, async () => {
      const model = names[Math.floor(random.fraction() * names.length)] as string;
      const decoy = names[Math.floor(random.fraction() * names.length)] as string;
      const content = `{"model":"${decoy}"} ${"x".repeat(Math.floor(random.fraction() ** 4 * 60_000))}`;
      const rest = { messages: [{ role: "user", content, model: decoy }], max_tokens: 1 };
      const body = random.fraction() < 0.5 ? { model, ...rest } : { ...rest, model };
      const answer = await post(envoy.url, body, { agent });
      assert.equal(answer.status, 200, answer.text);
      assert.match(answer.pod ?? "", podsOf[model] as RegExp, `asked for ${model}`);
      answered.set(model, (answered.get(model) ?? 0) + 1);
    });
  } finally {
    agent.destroy();
  }
  for (const name of names) assert.ok((answered.get(name) ?? 0) > 500, `${name}: ${answered.get(name)}`);
});
