// Responses that come while a reader still waits for the body. Either the holder is missing, or a filter in between has answered.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Root, Stream } from "../../../emulator/index.ts";
import { Gateway, JSON_TYPE } from "../../../testkit/filter/gateway.ts";
import { release } from "../../../testkit/filter/release.ts";

const HEAD = { ":method": "POST", ":path": "/v1/chat/completions", ...JSON_TYPE };
const LINE = /set up wrongly: a filter with role reader has no holder behind it/;

/** Makes a reader and sends it a request's headers without the body. `holder`: a holder is behind the reader. */
function waiting(holder = false): { gateway: Gateway; stream: Stream; lines: () => string[] } {
  const gateway = new Gateway({ configuration: { role: "reader" } });
  const roots = [gateway.worker()];
  if (holder) {
    const vm = gateway.process.startVm(release, { vmId: "holder" });
    roots.push(new Root(vm, { allowOnHeadersStopIteration: false, configuration: '{"role":"holder"}' }));
  }
  const stream = new Stream(roots);
  stream.sendHeaders(HEAD);
  const lines = () =>
    gateway
      .worker()
      .vm.logs.map(({ text }) => text)
      .filter((line) => LINE.test(line));
  return { gateway, stream, lines };
}

for (const details of ["direct_response", "via_upstream", "route_not_found"])
  test(`the router answered by itself (${details}): no holder stopped the headers, which is counted, and logged once`, () => {
    const { gateway, stream, lines } = waiting();
    stream.properties.set("response.code_details", details);
    stream.respond({ status: 404, body: "{}" });
    const again = new Stream(gateway.worker());
    again.sendHeaders(HEAD);
    again.properties.set("response.code_details", details);
    again.respond({ status: 404 });
    assert.equal(gateway.counters()["setup.no_holder"], 2);
    assert.equal(lines().length, 1);
  });

for (const details of ["ext_authz_denied", "request_payload_too_large", "direct_response_x", ""])
  test(`another filter answered (${details || "no details"}): nothing is counted`, () => {
    const { gateway, stream, lines } = waiting();
    if (details) stream.properties.set("response.code_details", details);
    stream.respond({ status: 403 });
    gateway.expectCounters({ requests: 1 });
    assert.deepEqual(lines(), []);
  });

test("a holder stopped the headers: no response counts a missing holder", () => {
  const { gateway, stream, lines } = waiting(true);
  assert.equal(stream.outcome.action, "stopped");
  stream.properties.set("response.code_details", "direct_response");
  stream.localReply(408, "direct_response", [], Buffer.alloc(0));
  assert.equal(gateway.counters()["setup.no_holder"], undefined);
  assert.deepEqual(lines(), []);
});
