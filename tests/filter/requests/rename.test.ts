// The bytes that a client receives while the response to an alias comes. The filter only ever keeps back the start of a served name.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import { A, Gateway, threePods } from "../../../testkit/filter/gateway.ts";

function asked(): Stream {
  const gateway = new Gateway({ configuration: { models: { rules: [{ name: "alias", model: "lora" }] } } });
  gateway.feed(threePods());
  return gateway.chat("alias");
}

test("each byte is passed on as it comes, unless it may belong to the start of the served name", () => {
  const stream = asked();
  stream.respond({ chunks: ["{"], upstreamAddress: A, end: false });
  let sent = "{";
  for (const byte of '"a":"model","model": "lo","model" :"lora","model":"lora"') {
    sent += byte;
    const { body } = stream.responseBody(byte);
    assert.equal(
      body.toString(),
      sent.replace('"model":"lora"', '"model":"alias"').replace(/("model": ?")l[ora]*$/, "$1"),
    );
  }
  assert.match(sent, /"model":"lora"$/);
});

test("a response that ends in a quote is whole before its trailers", () => {
  for (const text of ['He said "hi"', '{"a":"mod"', '{"model":', '{"model": "']) {
    const stream = asked();
    const { body } = stream.respond({ chunks: [text], trailers: { "x-t": "1" }, upstreamAddress: A });
    assert.equal(body.toString(), text);
    stream.finish();
  }
});
