// Bodies of every kind that clients send: which bodies are read, pass unread or are refused, and the message of each refusal.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import OpenAI, { toFile } from "openai";
import type { JsonObject } from "../../envoy/json.ts";
import { MODEL_HEADER } from "../../protocol/constants.ts";
import { around } from "../../testkit/around.ts";
import { valuesOf } from "../../testkit/echo.ts";
import { pushToAll, rises, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import { fastPod } from "../../testkit/fleet.ts";
import { BOUNDARY, FORM_TYPE, form } from "../../testkit/form.ts";
import { type Answer, chat, JSON_TYPE, post, type Sending, send } from "../../testkit/http.ts";
import { atEnd, closeAll, type Stand, snapshot, stand } from "../../testkit/stand.ts";

const DECOMPRESSOR: JsonObject = {
  name: "envoy.filters.http.decompressor",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.decompressor.v3.Decompressor",
    decompressor_library: {
      name: "gzip",
      typed_config: { "@type": "type.googleapis.com/envoy.extensions.compression.gzip.decompressor.v3.Gzip" },
    },
    // The decompressor works on requests only, so answers stay as the client asked for them.
    request_direction_config: {},
    response_direction_config: { common_config: { enabled: { default_value: false, runtime_key: "off" } } },
  },
};

let open: Stand;
let strict: Stand;

around(async () => {
  open = await stand({});
  const models = { unknown: "reject" };
  const body = { requireModel: true, otherTypes: "reject", duplicateKeys: "reject", maxDepth: 8, maxBytes: 10_000 };
  strict = await stand({ models, body });
  for (const { envoy, echo } of [open, strict]) await pushToAll(envoy, snapshot(echo));
}, closeAll);

const model = ({ echo }: Stand) => valuesOf(echo.last(), MODEL_HEADER);
const utf16 = (text: string) => Buffer.from(text, "utf16le");
const utf32 = (text: string) => Buffer.concat([...text].map((letter) => Buffer.from([letter.charCodeAt(0), 0, 0, 0])));

describe("transcriptions by the official client", async () => {
  const file = () => toFile(Buffer.alloc(100_000, 7), "speech.wav");

  test("are routed with the model before the file and after it", async () => {
    const pod = await fastPod("whisper-1", "whisper");
    atEnd(() => pod.close());
    const envoy = await startGateway({ pools: [{ name: "p", models: ["whisper"], endpoints: [pod.address] }] });
    atEnd(() => envoy.close());
    await pushToAll(envoy, { whisper: { on: [pod] } });
    const client = new OpenAI({ apiKey: "none", baseURL: `${envoy.url}/v1`, maxRetries: 0 });
    const rise = await rises(envoy, async () => {
      const first = await client.audio.transcriptions.create({ model: "whisper", file: await file() });
      const last = await client.audio.transcriptions.create({ file: await file(), model: "whisper" });
      assert.ok(first.text.length > 0 && last.text.length > 0);
    });
    assert.deepEqual(rise, { requests: 2, picked: 2 });
  });
});

test("captured bodies of client libraries give their models", async () => {
  const file = new URL("../../tests/fixtures/clients/captured_requests.jsonl", import.meta.url);
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  let sent = 0;
  for (const line of lines) {
    const { client, path, ct, head, len, model_off } = JSON.parse(line);
    // The other captures are incomplete.
    if (model_off < 0 || head.length !== len || !ct.startsWith("application/json")) continue;
    const answer = await post(open.envoy.url, head.replace("MODEL", "llama"), {
      path,
      headers: { "content-type": ct },
    });
    assert.equal(answer.status, 200, client);
    assert.deepEqual(model(open), ["llama"], client);
    sent++;
  }
  assert.ok(sent > 50, `${sent} of ${lines.length}`);
});

describe("content types", () => {
  const json = [
    "application/json",
    "APPLICATION/JSON",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8 ; x=y",
    "application/vnd.api+json",
    "Application/Problem+JSON; a=b",
  ];
  for (const type of [...json, undefined]) {
    test(`${type ?? "none at all"} is read as JSON`, async () => {
      const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
      await post(open.envoy.url, chat("llama"), { headers });
      assert.deepEqual(model(open), ["llama"]);
    });
  }

  const forms = [
    `multipart/form-data; boundary=${BOUNDARY}`,
    `Multipart/Form-Data; Boundary="${BOUNDARY}"`,
    `multipart/form-data; charset=utf-8; boundary=${BOUNDARY}`,
  ];
  for (const type of forms) {
    test(`${type} is read as a form`, async () => {
      const body = form([
        { name: "file", filename: "f", value: "x" },
        { name: "model", value: "llama" },
      ]);
      await post(open.envoy.url, body, { headers: { "content-type": type } });
      assert.deepEqual(model(open), ["llama"]);
    });
  }

  const others = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "application/jsonl",
    "multipart/mixed",
  ];
  for (const type of others) {
    test(`${type} passes unread, or is refused if so configured`, async () => {
      const sending = { headers: { "content-type": type } };
      const rise = await rises(open.envoy, () => post(open.envoy.url, chat("llama"), sending));
      assert.deepEqual(rise, { requests: 1, unread_body: 1 });
      assert.deepEqual(model(open), []);
      assert.equal(open.echo.last().body.toString(), JSON.stringify(chat("llama")));
      const refused = await post(strict.envoy.url, chat("llama"), sending);
      assert.deepEqual([refused.status, refused.json.error.code], [415, "unsupported_content_type"]);
    });
  }
});

describe("bodies that a model server reads are read", () => {
  const read: [string, string | Buffer][] = [
    ["NaN, Infinity and 1e999", '{"a":NaN,"b":[Infinity,-Infinity,1e999],"model":"llama"}'],
    ["a byte order mark", '\uFEFF{"model":"llama"}'],
    ["the last of two models", '{"model":"qwen","model":"llama"}'],
    ["escapes in key and value", String.raw`{"\u006dode\u006c":"\u006clam\u0061"}`],
    ["500 levels", `{"a":${"[".repeat(500)}${"]".repeat(500)},"model":"llama"}`],
  ];
  for (const [what, body] of read) {
    test(what, async () => {
      const answer = await post(open.envoy.url, body);
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(model(open), ["llama"]);
      assert.ok(open.echo.last().body.equals(Buffer.from(body)));
    });
  }
});

interface Refusal {
  sending: Sending;
  status: number;
  code: string;
  /** The counter that rises. */
  counter: string;
  param?: string;
  says: RegExp;
}

const json = (body: string | Uint8Array): Sending => ({ headers: JSON_TYPE, body });
const badJson = (body: string | Uint8Array, says: RegExp): Refusal => ({
  sending: json(body),
  status: 400,
  code: "invalid_json",
  counter: "invalid_body",
  says,
});
const badModel = (value: string, says: RegExp): Refusal => ({
  sending: json(`{"model":${value}}`),
  status: 400,
  code: "invalid_model",
  counter: "invalid_model",
  param: "model",
  says,
});
const badForm = (body: string | Uint8Array, says: RegExp, type = FORM_TYPE["content-type"]): Refusal => ({
  sending: { headers: { "content-type": type }, body },
  status: 400,
  code: "invalid_multipart",
  counter: "invalid_body",
  says,
});
const encoded = (encoding: string): Refusal => ({
  sending: { headers: { ...JSON_TYPE, "content-encoding": encoding }, body: gzipSync('{"model":"llama"}') },
  status: 415,
  code: "unsupported_content_encoding",
  counter: "unsupported_type",
  says: /without content-encoding, or .*envoy\.filters\.http\.decompressor/,
});

/** Bodies that every configuration refuses. */
const always: Record<string, Refusal> = {
  "a body cut short": badJson('{"model":"llama"', /\(at byte 16\)\. Send one JSON object in UTF-8/),
  "a trailing comma": badJson('{"model":"llama",}', /at byte 17\)/),
  "bytes after the object": badJson('{"model":"llama"} x', /bytes follow .*at byte 18\)/),
  "a raw line break in a string": badJson('{"model":"llama","a":"\n"}', /control character .*at byte 22\)/),
  "bad UTF-8": badJson(Buffer.from('{"model":"llama","a":"\xff"}', "latin1"), /at byte 22\)/),
  "UTF-16": badJson(utf16('{"model":"llama"}'), /UTF-16 or UTF-32; send UTF-8/),
  "UTF-16 with a byte order mark": badJson(utf16('\uFEFF{"model":"llama"}'), /UTF-16 or UTF-32; send UTF-8/),
  "UTF-32": badJson(utf32('{"model":"llama"}'), /UTF-16 or UTF-32; send UTF-8/),
  "a list": badJson('["model","llama"]', /not a JSON object/),
  "600 levels": badJson(`{"a":${"[".repeat(600)}${"]".repeat(600)}}`, /at byte/),
  "a model that is a number": badModel("7", /must be a string/),
  "a model that is a list": badModel('["llama"]', /must be a string/),
  "a model with a line break": badModel('"a\\r\\nx-admin: 1"', /control characters/),
  "a model of 257 bytes": badModel(`"${"x".repeat(257)}"`, /longer than 256 bytes/),
  "a lone surrogate as model": badModel('"\\ud800"', /well-formed Unicode/),
  "a form without its end": badForm(form([{ name: "model", value: "llama" }]).subarray(0, -4), /at byte \d+\)/),
  "a form without a boundary": badForm("x", /boundary/, "multipart/form-data"),
  "a gzip body": encoded("gzip"),
  "a brotli body": encoded("br"),
};

/** Bodies that are refused if so configured. */
const configured: Record<string, Refusal> = {
  "no model": {
    sending: json('{"messages":[]}'),
    status: 400,
    code: "model_required",
    counter: "model_required",
    param: "model",
    says: /Add the top-level field `model`/,
  },
  "an unknown model": {
    sending: json('{"model":"gpt-\\"17"}'),
    status: 404,
    code: "model_not_found",
    counter: "model_rejected",
    param: "model",
    says: /The model `gpt-"17` does not exist\. GET \/v1\/models lists/,
  },
  "another type": {
    sending: { headers: { "content-type": "text/plain" }, body: "x" },
    status: 415,
    code: "unsupported_content_type",
    counter: "unsupported_type",
    says: /Send application\/json or multipart\/form-data/,
  },
  "more than body.maxBytes": {
    sending: json(`{"model":"llama","a":"${"x".repeat(10_000)}"}`),
    status: 413,
    code: "request_too_large",
    counter: "too_large",
    says: /10000 bytes\. Send a smaller body/,
  },
  "a key twice": badJson('{"model":"llama","model":"llama"}', /at byte/),
  "nine levels": badJson('{"model":"llama","a":[[[[[[[[[]]]]]]]]]}', /at byte/),
};

const cases: [string, () => Stand, Record<string, Refusal>][] = [
  ["by every configuration", () => open, always],
  ["where that is configured", () => strict, configured],
];
for (const [where, at, refusals] of cases) {
  describe(`refused ${where}, in OpenAI's shape, counted, and before a pod sees it`, () => {
    for (const [what, { sending, status, code, counter, param = null, says }] of Object.entries(refusals)) {
      test(what, async () => {
        const { envoy, echo } = at();
        const seen = echo.seen.length;
        let answer: Answer | undefined;
        const rise = await rises(envoy, async () => {
          answer = await send(envoy.url, sending);
        });
        assert.equal(answer?.status, status, answer?.text);
        const { message, ...rest } = answer?.json.error ?? {};
        assert.deepEqual(rest, { type: "invalid_request_error", param, code });
        assert.match(message, says);
        assert.match(answer?.headers["content-type"] ?? "", /^application\/json/);
        assert.deepEqual(rise, { requests: 1, [counter]: 1 });
        assert.equal(echo.seen.length, seen);
      });
    }
  });
}

test("with Envoy's decompressor in front a gzip body is routed, and the pod gets it plain", async () => {
  const one = await stand({}, ["llama"], { filtersBefore: [DECOMPRESSOR] });
  await pushToAll(one.envoy, { llama: { on: [one.echo] } });
  // Envoy refuses a body that inflates more than a hundredfold, so the text is not one repeated letter.
  const words = Array.from({ length: 8000 }, (_, i) => `word${(i * 7919) % 104_729}`);
  const plain = JSON.stringify({ text: words.join(" "), model: "llama" });
  const headers = { ...JSON_TYPE, "content-encoding": "gzip" };
  const answer = await post(one.envoy.url, gzipSync(plain), { headers });
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(model(one), ["llama"]);
  assert.equal(one.echo.last().body.toString(), plain);
  assert.deepEqual(valuesOf(one.echo.last(), "content-encoding"), []);
  const other = await post(one.envoy.url, plain, { headers: { ...JSON_TYPE, "content-encoding": "br" } });
  assert.equal(other.status, 415);
});
