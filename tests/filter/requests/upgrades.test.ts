// WebSockets. The bytes after the headers never end, so the filter must not wait for them as for a body.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MODEL_HEADER } from "../../../protocol/constants.ts";
import { chat, Gateway, JSON_TYPE, routed } from "../../../testkit/filter/gateway.ts";

const upgrade = { ":path": "/v1/realtime", connection: "upgrade", upgrade: "websocket" };

test("a WebSocket's request goes on at once, and the bytes after the headers are not read", () => {
  const gateway = new Gateway();
  const stream = gateway.stream();
  stream.sendHeaders({ ":method": "GET", ...upgrade, [MODEL_HEADER]: "forged" });
  assert.equal(stream.outcome.action, "continue");
  assert.equal(routed(stream.outcome).model, undefined);
  stream.sendBody(Buffer.from("no JSON"));
  assert.equal(stream.outcome.body.toString(), "no JSON");
  gateway.expectCounters({ requests: 1, no_body: 1, control_header_stripped: 1 });
});

test("with another method the upgrade header is ignored, and the body is read", () => {
  const gateway = new Gateway();
  const stream = gateway.send({ ...chat("m"), headers: { ...JSON_TYPE, upgrade: "websocket" } });
  assert.equal(routed(stream.outcome).model, "m");
});
