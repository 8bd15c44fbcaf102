// A client uses an alias. Header, pick and body get the served model's name, and no other byte changes.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, test } from "node:test";
import { BASE_MODEL_HEADER, MODEL_HEADER } from "../../protocol/constants.ts";
import { around } from "../../testkit/around.ts";
import { type Echo, startEcho, valuesOf } from "../../testkit/echo.ts";
import { pushToAll, rises, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { FORM_TYPE, form, NASTY_FILE } from "../../testkit/form.ts";
import { chat, JSON_TYPE, post, send } from "../../testkit/http.ts";
import { inParallel } from "../../testkit/until.ts";

let llama: Echo;
let qwen: Echo;
let envoy: TestEnvoy;
let tight: TestEnvoy;

const rules = [
  { name: "gpt-4", model: "llama" },
  { name: "claude-*", model: "llama" },
  { name: "claude-3-*", model: "qwen" },
  {
    name: "split",
    targets: [
      { model: "llama", weight: 3 },
      { model: "qwen", weight: 1 },
    ],
  },
];

around(
  async () => {
    [llama, qwen] = await Promise.all([startEcho("llama-1"), startEcho("qwen-1")]);
    const pools = [
      { name: "llama", models: ["llama", "sql"], endpoints: [llama.address] },
      { name: "qwen", models: ["qwen", "extra"], endpoints: [qwen.address] },
    ];
    envoy = await startGateway({
      pools,
      filter: { models: { rules, default: "gpt-4", adapters: { extra: "qwen" } } },
    });
    tight = await startGateway({ pools, filter: { models: { rules }, body: { maxRewriteBytes: 4096 } } });
    const snapshot = {
      llama: { on: [llama] },
      qwen: { on: [qwen] },
      sql: { on: [llama], base: "llama" },
    };
    await pushToAll(envoy, snapshot);
    await pushToAll(tight, snapshot);
  },
  async () => {
    await Promise.all([envoy, tight].map((one) => one?.close()));
    await Promise.all([llama, qwen].map((one) => one?.close()));
  },
);

const served: [string, string, () => Echo][] = [
  ["gpt-4", "llama", () => llama],
  ["claude-2", "llama", () => llama],
  ["claude-", "llama", () => llama],
  ["claude-3-opus", "qwen", () => qwen],
];

for (const [asked, model, echo] of served) {
  test(`${asked} is served by ${model}: header, pick and body have this name`, async () => {
    const rise = await rises(envoy, () => post(envoy.url, chat(asked)));
    assert.deepEqual(rise, { requests: 1, picked: 1, rewritten: 1 });
    const seen = echo().last();
    assert.deepEqual(valuesOf(seen, MODEL_HEADER), [model]);
    assert.deepEqual(valuesOf(seen, BASE_MODEL_HEADER), [model]);
    assert.equal(JSON.parse(seen.body.toString()).model, model);
  });
}

test("a name without a rule stays, and its body is unchanged", async () => {
  const body = '{ "model" : "llama" , "a":"gpt-4" }';
  const rise = await rises(envoy, () => post(envoy.url, body));
  assert.deepEqual(rise, { requests: 1, picked: 1 });
  assert.equal(llama.last().body.toString(), body);
});

test("weighted targets are drawn by their weights", async () => {
  const before = qwen.seen.length;
  await inParallel(1200, 8, async () => assert.equal((await post(envoy.url, chat("split"))).status, 200));
  const drawn = qwen.seen.length - before;
  console.log(`weights 3 to 1: ${1200 - drawn} to ${drawn} of 1200`);
  // The expected number is 300 with a standard deviation of 15, so a larger distance has odds of 3 in 10^10.
  assert.ok(drawn > 205 && drawn < 395, `${drawn} of 1200`);
});

test("a header has the base of an adapter: from the snapshot, and from the configuration", async () => {
  await post(envoy.url, chat("sql"));
  assert.deepEqual(valuesOf(llama.last(), MODEL_HEADER), ["sql"]);
  assert.deepEqual(valuesOf(llama.last(), BASE_MODEL_HEADER), ["llama"]);
  await post(envoy.url, chat("extra"));
  assert.deepEqual(valuesOf(qwen.last(), MODEL_HEADER), ["extra"]);
  assert.deepEqual(valuesOf(qwen.last(), BASE_MODEL_HEADER), ["qwen"]);
});

const long = JSON.stringify('Zeile\n\t"x" \\ é 😀 '.repeat(40_000));

/** The sent and the received body. `@` is the value with its quotes. */
const bodies: [string, string, string?][] = [
  ["alone", '{"model":@}'],
  ["first", '{"model":@,"messages":[{"role":"user","content":"gpt-4"}],"stream":false}'],
  ["last, with blanks everywhere", ' \r\n{ "a" : [ 1 , 2 ] ,\n\t"model"  :  @ \t}\r\n '],
  ["behind other members of its name at other depths", '{"x":{"model":"gpt-4"},"y":[{"model":"gpt-4"}],"model":@}'],
  ["the last of several", '{"model":"gpt-4","model":7,"model":@}'],
  ["under an escaped key", '{"\\u006d\\u006Fdel":@}'],
  ["written in escapes", '{"model":@}', '"\\u0067p\\u0074-\\u0034"'],
  ["between numbers that no double holds", '{"a":123456789012345678901234567890,"model":@,"b":1.0e+02,"c":-0}'],
  ["behind NaN and Infinity", '{"a":NaN,"b":-Infinity,"model":@}'],
  ["after a byte order mark", '\uFEFF{"model":@}'],
  ["before a megabyte of text", `{"model":@,"input":${long}}`],
  ["after a megabyte of text", `{"input":${long},"model":@}`],
];

describe("in a body whose model is replaced, only the value's bytes change", () => {
  for (const [where, template, value = '"gpt-4"'] of bodies) {
    test(where, async () => {
      const sent = Buffer.from(template.replace("@", () => value));
      const expected = Buffer.from(template.replace("@", () => '"llama"'));
      const answer = await post(envoy.url, sent);
      assert.equal(answer.status, 200, answer.text.slice(0, 300));
      assert.ok(llama.last().body.equals(expected), llama.last().body.toString().slice(0, 200));
      assert.deepEqual(valuesOf(llama.last(), "content-length"), [String(expected.length)]);

      const pieces = Readable.from([sent.subarray(0, 9), sent.subarray(9)]);
      assert.equal((await send(envoy.url, { headers: JSON_TYPE, body: pieces })).status, 200);
      assert.ok(llama.last().body.equals(expected), "of unknown length");
    });
  }
});

describe("a body without a model gets the default model, or the model behind a default alias", () => {
  const without: [string, string][] = [
    ["{}", '{"model":"llama"}'],
    [" { } ", ' {"model":"llama" } '],
    ['{"a":1}', '{"model":"llama","a":1}'],
    ['\uFEFF\n{\n "a":1}', '\uFEFF\n{"model":"llama",\n "a":1}'],
    ['{"a":1,"model":null}', '{"a":1,"model":"llama"}'],
    ['{"model":"","a":1}', '{"model":"llama","a":1}'],
  ];
  for (const [sent, expected] of without) {
    test(JSON.stringify(sent), async () => {
      assert.equal((await post(envoy.url, sent)).status, 200);
      assert.equal(llama.last().body.toString(), expected);
      assert.deepEqual(valuesOf(llama.last(), MODEL_HEADER), ["llama"]);
      assert.deepEqual(valuesOf(llama.last(), "content-length"), [String(Buffer.byteLength(expected))]);
    });
  }
});

describe("in a form only the value's bytes change", () => {
  const file = { name: "file", filename: "a.wav", value: NASTY_FILE };
  const orders: [string, (model: string) => Buffer][] = [
    ["model first", (value) => form([{ name: "model", value }, file])],
    ["model after the file", (value) => form([file, { name: "model", value }])],
    ["model between others", (value) => form([{ name: "prompt", value: "gpt-4" }, { name: "model", value }, file])],
  ];
  for (const [order, body] of orders) {
    test(order, async () => {
      const answer = await post(envoy.url, body("gpt-4"), { headers: FORM_TYPE });
      assert.equal(answer.status, 200, answer.text);
      const expected = body("llama");
      assert.ok(llama.last().body.equals(expected));
      assert.deepEqual(valuesOf(llama.last(), "content-length"), [String(expected.length)]);
      assert.deepEqual(valuesOf(llama.last(), MODEL_HEADER), ["llama"]);
    });
  }
});

test("over body.maxRewriteBytes a body is refused with 413 if its name is replaced, and passes if it is not", async () => {
  const padding = "x".repeat(5000);
  const reached = llama.seen.length;
  const rise = await rises(tight, async () => {
    const answer = await post(tight.url, { model: "gpt-4", padding });
    assert.equal(answer.status, 413);
    assert.equal(answer.json.error.code, "request_too_large");
    assert.match(answer.json.error.message, /4096 bytes\. Send a smaller body, or name the served model itself/);
  });
  assert.deepEqual(rise, { requests: 1, too_large: 1 });
  assert.equal(llama.seen.length, reached);
  assert.equal((await post(tight.url, { model: "llama", padding })).status, 200);
  assert.equal((await post(tight.url, chat("gpt-4"))).status, 200);
});

test("each of 300 concurrently rewritten bodies arrives intact", async () => {
  const from = llama.seen.length;
  await inParallel(300, 24, async (index) => {
    const answer = await post(envoy.url, { id: index, text: "x".repeat(index * 97), model: "gpt-4" });
    assert.equal(answer.json.headers["content-length"], String(answer.json.bytes));
  });
  const ids = llama.seen.slice(from).map(({ body }) => {
    const { id, text, model } = JSON.parse(body.toString());
    assert.equal(model, "llama");
    assert.equal(text.length, id * 97);
    return id as number;
  });
  assert.deepEqual(
    ids.sort((a, b) => a - b),
    Array.from({ length: 300 }, (_, i) => i),
  );
});
