// Refusals of bodies. They have OpenAI's error shape, a stable code and the byte at fault.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answerOf, Gateway, JSON_TYPE } from "../../../testkit/filter/gateway.ts";

const post = (body: string | Uint8Array) => ({ path: "/v1/completions", headers: JSON_TYPE, body });

test("a refusal names the field at fault", () => {
  const fields = [
    { field: "user", header: "x-user" },
    { field: "käufer", header: "x-buyer" },
  ];
  const gateway = new Gateway({ configuration: { body: { fields } } });
  for (const { field } of fields) {
    const { json } = answerOf(gateway.send(post(JSON.stringify({ user: "a", [field]: "a\nb" }))));
    assert.match(json.error.message, new RegExp(`^The field \`${field}\`, .* has control characters`));
  }
});

test("the refusal of a form without a model asks for a part; the refusal of an unreadable form asks for a client library", () => {
  const gateway = new Gateway({ configuration: { body: { requireModel: true } } });
  const send = (body: string) =>
    answerOf(gateway.send({ path: "/", headers: { "content-type": "multipart/form-data; boundary=b" }, body })).json
      .error;
  assert.equal(send("--b--\r\n").code, "model_required");
  assert.match(send("--b--\r\n").message, /in a form a part of this name/);
  assert.match(send("--b").message, /Let a client library write form and content type\.$/);
});

describe("a body that is not a JSON object by the server's rules", () => {
  const bodies: [string, string | Uint8Array, number][] = [
    ["a missing colon", '{"model" "m"}', 9],
    ["a trailing comma", '{"model":"m",}', 13],
    ["single quotes", "{'model':'m'}", 1],
    ["no end", '{"model":"m"', 12],
    ["bytes behind the object", '{"model":"m"} x', 14],
    ["a second object", '{"model":"m"}{"model":"n"}', 13],
    ["an array", '["m"]', 0],
    ["a bare string", '"m"', 0],
    ["a control character in a string", '{"model":"a\nb"}', 11],
    ["an escape that JSON does not know", '{"model":"\\x"}', 10],
    ["a byte that is no UTF-8", Buffer.from('{"model":"\xff"}', "latin1"), 10],
    ["a number with a leading zero", '{"a":01}', 6],
    ["a cut literal", '{"a":tru}', 5],
    ["UTF-16", Buffer.from('{"model":"m"}', "utf16le"), 0],
  ];
  for (const [what, body, offset] of bodies) {
    test(`${what} is 400 invalid_json at byte ${offset}, and nothing goes upstream`, () => {
      const gateway = new Gateway();
      const stream = gateway.send(post(body));
      const { status, json } = answerOf(stream);
      assert.equal(status, 400);
      assert.match(json.error.message, new RegExp(`at byte ${offset}\\)`));
      assert.deepEqual(
        { ...json.error, message: "" },
        { message: "", type: "invalid_request_error", param: null, code: "invalid_json" },
      );
      assert.equal(stream.outcome.requestHeaders, undefined);
      stream.finish();
      gateway.expectCounters({ requests: 1, invalid_body: 1 });
      gateway.assertHealthy();
    });
  }

  test("a bad body is refused at the same byte when it comes byte by byte, and with trailers", () => {
    for (const [what, body, offset] of bodies) {
      const chunks = [...Buffer.from(body as string)].map((byte) => Uint8Array.of(byte));
      for (const end of [{}, { emptyEnd: true }, { trailers: { "x-t": "1" } }]) {
        const gateway = new Gateway();
        const { status, json } = answerOf(gateway.send({ path: "/", headers: JSON_TYPE, chunks, ...end }));
        assert.equal(status, 400, what);
        assert.match(json.error.message, new RegExp(`at byte ${offset}\\)`), `${what} ${Object.keys(end)}`);
        gateway.expectCounters({ requests: 1, invalid_body: 1 });
      }
    }
  });

  test("a character that trailers cut after its first byte is refused", () => {
    const gateway = new Gateway();
    const chunks = [Buffer.concat([Buffer.from('{"model":"m"}'), Buffer.of(0xe2)])];
    assert.equal(answerOf(gateway.send({ path: "/", chunks, trailers: { "x-t": "1" } })).status, 400);
    gateway.expectCounters({ requests: 1, invalid_body: 1 });
  });

  test("a bad body is refused before its end, and the rest is dropped", () => {
    const gateway = new Gateway();
    const stream = gateway.stream();
    stream.sendHeaders({ ":method": "POST", ":path": "/", ...JSON_TYPE });
    stream.sendBody(`{"model":]${" ".repeat(40)}`);
    assert.equal(stream.outcome.localResponse?.status, 400);
    stream.abort();
    gateway.expectCounters({ requests: 1, invalid_body: 1 });
  });

  test("nesting beyond the limit is refused, however deep it is", () => {
    const gateway = new Gateway();
    const { status, json } = answerOf(gateway.send(post(`{"a":${"[".repeat(1_000_000)}`)));
    assert.equal(status, 400);
    assert.match(json.error.message, /nested too deeply/);
    gateway.assertHealthy();
  });
});

describe("a model that no header can carry", () => {
  const models: [string, string][] = [
    ["a number", "1"],
    ["a number too long to keep", "1".repeat(300)],
    ["true", "true"],
    ["false", "false"],
    ["an object", '{"name":"m"}'],
    ["an array", '["m"]'],
    ["257 bytes", `"${"m".repeat(257)}"`],
    ["129 characters of two bytes", `"${"ü".repeat(129)}"`],
    ["a line feed", '"m\\nx-evil: 1"'],
    ["a carriage return", '"m\\r"'],
    ["a NUL", '"m\\u0000"'],
    ["a tab", '"a\\tb"'],
    ["byte 0x7f", '"m\\u007f"'],
    ["a blank in front", '" m"'],
    ["a blank behind", '"m "'],
    ["half a surrogate pair", '"\\ud83d"'],
  ];
  for (const [what, value] of models) {
    test(`${what} is 400 invalid_model, with the field named`, () => {
      const gateway = new Gateway();
      const stream = gateway.send(post(`{"model":${value}}`));
      const { status, json } = answerOf(stream);
      assert.equal(status, 400);
      assert.equal(json.error.code, "invalid_model");
      assert.equal(json.error.param, "model");
      assert.match(json.error.message, /`model`/);
      assert.equal(stream.outcome.requestHeaders, undefined);
      assert.equal(stream.outcome.filterState.get("pilotfish.model"), undefined);
      stream.finish();
      gateway.expectCounters({ requests: 1, invalid_model: 1 });
      gateway.assertHealthy();
    });
  }

  test("a header carries a name of 256 bytes, of quotes and backslashes, or of any Unicode", () => {
    for (const name of ["m".repeat(256), "ü".repeat(128), '"\\/', "模型-🐟", "a b"]) {
      const gateway = new Gateway();
      const { outcome } = gateway.send(post(JSON.stringify({ model: name })));
      assert.equal(outcome.requestHeaders?.get("x-gateway-model-name"), name);
      gateway.expectCounters({ requests: 1, no_snapshot: 1 });
    }
  });
});
