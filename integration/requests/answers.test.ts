// A client that used an alias gets answers with the alias, in JSON and in SSE, and no chunk waits for another one.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import OpenAI from "openai";
import type { Pod } from "../../simulator/pod.ts";
import { around } from "../../testkit/around.ts";
import { type Echo, startEcho } from "../../testkit/echo.ts";
import { pushToAll, rises, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { fastPod } from "../../testkit/fleet.ts";
import { chat, JSON_TYPE, open, post } from "../../testkit/http.ts";
import { inParallel, until } from "../../testkit/until.ts";

let pod: Pod;
let echo: Echo;
let envoy: TestEnvoy;
let client: OpenAI;

around(
  async () => {
    pod = await fastPod("pod-1", "llama");
    echo = await startEcho("echo-1");
    envoy = await startGateway({
      pools: [
        { name: "pods", models: ["llama"], endpoints: [pod.address] },
        { name: "echo", models: ["org/mirror"], endpoints: [echo.address] },
      ],
      filter: {
        models: {
          rules: [
            { name: "gpt-4", model: "llama" },
            { name: "mine", model: "org/mirror" },
            { name: "wild-*", model: "org/mirror" },
          ],
        },
      },
    });
    await pushToAll(envoy, { llama: { on: [pod] }, "org/mirror": { on: [echo] } });
    client = new OpenAI({ apiKey: "none", baseURL: `${envoy.url}/v1`, maxRetries: 0 });
  },
  async () => {
    await envoy?.close();
    await Promise.all([pod, echo].map((one) => one?.close()));
  },
);

const messages = [{ role: "user" as const, content: "hello" }];

describe("a pod's answer has the name that the client used", () => {
  test("in a chat, a completion and an embedding", async () => {
    assert.equal((await client.chat.completions.create({ model: "gpt-4", messages })).model, "gpt-4");
    assert.equal((await client.completions.create({ model: "gpt-4", prompt: "once" })).model, "gpt-4");
    assert.equal((await client.embeddings.create({ model: "gpt-4", input: "a" })).model, "gpt-4");
  });

  test("in every chunk of a stream", async () => {
    const stream = await client.chat.completions.create({ model: "gpt-4", messages, max_tokens: 30, stream: true });
    let chunks = 0;
    for await (const chunk of stream) {
      assert.equal(chunk.model, "gpt-4");
      chunks++;
    }
    assert.ok(chunks >= 30);
  });

  test("in the events of the Responses API, where the model is nested", async () => {
    const stream = await client.responses.create({ model: "gpt-4", input: "hello", stream: true });
    let named = 0;
    for await (const event of stream) {
      if (!("response" in event)) continue;
      assert.equal(event.response.model, "gpt-4");
      named++;
    }
    assert.ok(named >= 3);
  });

  test("and keeps the served name if the client used it", async () => {
    assert.equal((await client.chat.completions.create({ model: "llama", messages })).model, "llama");
  });
});

/** What the upstream sends and what the client must get, with the client's name as JSON. */
const texts: [string, string, string?][] = [
  ["a JSON answer", '{"id":"1","model":"org/mirror","choices":[]}', '{"id":"1","model":"mine","choices":[]}'],
  ["one with a blank", '{"model": "org/mirror"}', '{"model": "mine"}'],
  [
    "two events",
    'data: {"model":"org/mirror","delta":"a"}\n\ndata: {"m":{"model":"org/mirror"}}\n\ndata: [DONE]\n\n',
    'data: {"model":"mine","delta":"a"}\n\ndata: {"m":{"model":"mine"}}\n\ndata: [DONE]\n\n',
  ],
  ["a key that ends like it", '{"my\\"model":"org/mirror","a\\\\\\"model":"org/mirror"}'],
  ["text that quotes it", '{"content":"say \\"model\\":\\"org/mirror\\" \\\\","x":"\\\\\\"model\\":\\"org/mirror\\""}'],
  ["a string that ends in a backslash", '{"a":"\\\\","model":"org/mirror"}', '{"a":"\\\\","model":"mine"}'],
  ["other models", '{"model":"org/mirror2","x":{"model":"org/mirro"},"model_":"org/mirror","model":"org'],
  [
    "beginnings of it",
    '{"":"model","mod":"model","model":"org/","model":"or\\"","model":{"model":"org/mirror"},"model":["model"]}',
    '{"":"model","mod":"model","model":"org/","model":"or\\"","model":{"model":"mine"},"model":["model"]}',
  ],
];

/** Asks for the alias `mine` and resolves with the whole answer. Calls `begun` with the first piece. */
function answered(headers: Record<string, string>, begun: () => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = open(envoy.url, { headers, body: JSON.stringify(chat("mine")) });
    request.on("error", reject);
    request.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.once("data", begun);
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("error", reject).on("end", () => resolve(text));
    });
  });
}

describe("split at every byte, the answer is the same", () => {
  for (const [what, sent, wanted = sent] of texts) {
    test(what, async () => {
      const bytes = Buffer.from(sent);
      const rest = new Map<string, () => void>();
      echo.reply = (seen, response) => {
        const split = seen.headers["x-split"] as string;
        response.writeHead(200, { "content-type": "application/json" });
        response.write(bytes.subarray(0, Number(split)));
        rest.set(split, () => response.end(bytes.subarray(Number(split))));
      };
      // The filter holds back only bytes that may be the beginning of the model's member. The client gets each first part before the
      // upstream sends the second part.
      await inParallel(bytes.length - 1, 8, async (index) => {
        const split = String(index + 1);
        const text = await answered({ ...JSON_TYPE, "x-split": split }, () => rest.get(split)?.());
        assert.equal(text, wanted, `split at ${split}`);
      });
    });
  }

  test("and byte by byte", async () => {
    const bytes = Buffer.from('data: {"a":"\\"","model": "org/mirror","b":[]}\n\n');
    echo.reply = async (_seen, response) => {
      for (const byte of bytes) {
        response.write(Buffer.of(byte));
        await sleep(2);
      }
      response.end();
    };
    const answer = await post(envoy.url, chat("mine"));
    assert.equal(answer.text, 'data: {"a":"\\"","model": "mine","b":[]}\n\n');
  });
});

test("no chunk is held back: each reaches the client before the upstream sends the next", async () => {
  const event = 'data: {"model":"org/mirror","delta":"x"}\n\n';
  let received = "";
  let wrote = 0;
  echo.reply = async (_seen, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (wrote = 1; wrote <= 10; wrote++) {
      response.write(event);
      await until(`event ${wrote} to reach the client`, () => received.split("\n\n").length - 1 >= wrote);
    }
    // The filter holds back only the possible beginning of the served name.
    response.write('data: {"delta":"y","model":"org/m');
    await until("half an event to reach the client", () => received.endsWith('data: {"delta":"y","model":"'));
    response.end('irror"}\n\n');
  };
  const request = open(envoy.url, { headers: JSON_TYPE, body: JSON.stringify(chat("mine")) });
  await new Promise<void>((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        received += chunk;
      });
      response.on("error", reject).on("end", resolve);
    });
  });
  assert.equal(
    received,
    `${'data: {"model":"mine","delta":"x"}\n\n'.repeat(10)}data: {"delta":"y","model":"mine"}\n\n`,
  );
});

test("a name that JSON must escape is escaped in the answer", async () => {
  echo.reply = (_seen, response) => void response.end('{"model":"org/mirror"}');
  for (const name of ['wild-"quoted"', "wild-\\back", "wild-ünï-\u{1f600}", `wild-${"x".repeat(200)}`]) {
    const answer = await post(envoy.url, chat(name));
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.model, name);
  }
});

test("an answer with a changed name has no wrong content-length", async () => {
  const body = '{"model":"org/mirror"}';
  echo.reply = (_seen, response) => void response.writeHead(200, { "content-length": body.length }).end(body);
  const answer = await post(envoy.url, chat("mine"));
  assert.equal(answer.text, '{"model":"mine"}');
  assert.ok([undefined, "16"].includes(answer.headers["content-length"]));
});

test("a megabyte with a thousand names comes whole", async () => {
  const event = `data: {"model":"org/mirror","x":"${"y".repeat(1000)}"}\n\n`;
  echo.reply = (_seen, response) => void response.end(event.repeat(1000));
  const answer = await post(envoy.url, chat("mine"));
  assert.equal(answer.text, event.replace("org/mirror", "mine").repeat(1000));
});

test("an answer without a body stays without a body", async () => {
  echo.reply = (_seen, response) => void response.writeHead(204).end();
  const answer = await post(envoy.url, chat("mine"));
  assert.deepEqual([answer.status, answer.body.length], [204, 0]);
});

test("the filter asks for no compressed answer; a compressed answer passes unchanged and is counted", async () => {
  const zipped = gzipSync('{"model":"org/mirror"}');
  echo.reply = (_seen, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(zipped);
  const headers = { ...JSON_TYPE, "accept-encoding": "gzip, br" };
  const rise = await rises(envoy, async () => {
    const answer = await post(envoy.url, chat("mine"), { headers });
    assert.ok(answer.body.equals(zipped));
  });
  assert.equal(rise.not_renamed, 1);
  assert.equal(echo.last().headers["accept-encoding"], undefined);
  await post(envoy.url, chat("org/mirror"), { headers });
  assert.equal(echo.last().headers["accept-encoding"], "gzip, br", "where no name is replaced, nothing is taken away");
});

test("an error of the pod passes unchanged", async () => {
  const error = { error: { message: "The model `org/mirror` is busy.", code: 429 } };
  echo.reply = (_seen, response) => void response.writeHead(429).end(JSON.stringify(error));
  const answer = await post(envoy.url, chat("mine"));
  assert.equal(answer.status, 429);
  assert.deepEqual(answer.json, error);
});
