// The emulator calls a guest's callbacks for headers, bodies and trailers as Envoy does.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationRefused, Process, type RootOptions, Stream, type StreamOptions } from "../../emulator/index.ts";
import { CONTINUE, drop, type Guest, guest, log, OUT, SHOW_RESULT, STOP } from "../../testkit/emulator/wat.ts";

const HOLD: RootOptions = { allowOnHeadersStopIteration: true };
/** Logs the size and the whole body that the callback sees, as "size:body". */
const showBody = (type: number) =>
  drop(`proxy_get_buffer_bytes (i32.const ${type}) (i32.const 0) (i32.const 9999) ${OUT}`) + SHOW_RESULT;
const UNTIL_END = "(i32.eqz (local.get $end))";

function start(callbacks: Guest, options: RootOptions = {}, stream: StreamOptions = {}): Stream {
  return new Stream(new Process().startRoot(guest(callbacks), options), stream);
}

function logsOf(stream: Stream): string[] | undefined {
  return stream.filters[0]?.root.vm.logs.map((line) => line.text);
}

test("a stream's callbacks run in Envoy's order: the access log before done and delete", () => {
  const callbacks: Guest = {};
  for (const name of ["context_create", "tick", "log", "delete"]) callbacks[`proxy_on_${name}`] = log(name);
  for (const name of ["vm_start", "configure", "done"]) callbacks[`proxy_on_${name}`] = `${log(name)} (i32.const 1)`;
  for (const part of ["headers", "body", "trailers"]) {
    callbacks[`proxy_on_request_${part}`] = `${log(`request ${part}`)} ${CONTINUE}`;
    if (part !== "trailers") callbacks[`proxy_on_response_${part}`] = `${log(`response ${part}`)} ${CONTINUE}`;
  }
  const stream = start(callbacks);
  stream.send({ body: "x", trailers: { "x-sum": "1" } });
  stream.respond({ body: "y" });
  stream.finish();
  const root = ["context_create", "vm_start", "configure"];
  const request = ["context_create", "request headers", "request body", "request trailers"];
  const response = ["response headers", "response body"];
  assert.deepEqual(logsOf(stream), [...root, ...request, ...response, "log", "done", "delete"]);
});

test("callbacks that the module does not export are skipped", () => {
  const stream = start({});
  assert.equal(stream.send({ body: "x" }).action, "continue");
  assert.equal(stream.respond({ body: "y" }).body.toString(), "y");
  stream.finish();
  assert.deepEqual([...stream.hostCalls], []);
});

test("a configuration that the guest rejects is refused with the guest's log lines", () => {
  const rejecting = guest({ proxy_on_configure: `${log("key x: bad")} (i32.const 0)` });
  assert.throws(() => new Process().startRoot(rejecting), ConfigurationRefused);
  assert.throws(() => new Process().startRoot(rejecting), /proxy_on_configure returned false; log: info: key x: bad/);
});

test("the guest reads the configuration of its plugin and of its VM, and the environment", () => {
  const read = (type: number) =>
    drop(`proxy_get_buffer_bytes (i32.const ${type}) (i32.const 0) (i32.const 99) ${OUT}`) + SHOW_RESULT;
  const reading = guest({
    proxy_on_vm_start: `${read(6)} (i32.const 1)`,
    proxy_on_configure: `${read(7)} (i32.const 1)`,
  });
  const root = new Process().startRoot(reading, { configuration: "plugin", vmConfiguration: "vm" });
  assert.deepEqual(
    root.vm.logs.map((line) => line.text),
    ["vm", "plugin"],
  );
});

test("without the flag, Stop at headers stops the whole stream: no body callback runs", () => {
  const callbacks = { proxy_on_request_headers: STOP, proxy_on_request_body: `${log("body")} ${CONTINUE}` };
  const without = start(callbacks);
  assert.equal(without.send({ body: "x" }).action, "stopped");
  assert.deepEqual(logsOf(without), []);
  assert.throws(() => without.finish(), /hang until a timeout/);
  without.abort();
  const flagged = start(callbacks, HOLD);
  assert.equal(flagged.send({ body: "x" }).action, "continue");
  assert.deepEqual(logsOf(flagged), ["body"]);
});

test("Stop at the headers of a request without a body stops the request, with and without the flag", () => {
  assert.equal(start({ proxy_on_request_headers: STOP }, HOLD).send({ method: "GET" }).action, "stopped");
});

test("each callback sees a buffered body whole, and a passed body chunk by chunk", () => {
  const chunks = ["ab", "c", "def"];
  const buffering = start(
    { proxy_on_request_headers: STOP, proxy_on_request_body: `${showBody(0)} ${UNTIL_END}` },
    HOLD,
  );
  const outcome = buffering.send({ chunks });
  assert.deepEqual(logsOf(buffering), ["ab", "abc", "abcdef"]);
  assert.equal(outcome.body.toString(), "abcdef");
  const passing = start({ proxy_on_request_body: `${showBody(0)} ${CONTINUE}` });
  assert.equal(passing.send({ chunks }).body.toString(), "abcdef");
  assert.deepEqual(logsOf(passing), ["ab", "c", "def"]);
});

test("no byte leaves before the guest continues, and an empty frame can be the end", () => {
  const stream = start({ proxy_on_request_headers: STOP, proxy_on_request_body: UNTIL_END }, HOLD);
  stream.sendHeaders({ ":method": "POST", ":path": "/" });
  assert.equal(stream.sendBody("abc").requestHeaders, undefined);
  const outcome = stream.sendBody("", true);
  assert.equal(outcome.requestHeaders?.get(":path"), "/");
  assert.equal(outcome.body.toString(), "abc");
});

test("with trailers no body callback has end_of_stream set; Continue in trailers passes everything on", () => {
  const body = `${drop("proxy_log (i32.const 2) (i32.const 900) (local.get $end)")} (i32.const 1)`;
  const callbacks = {
    proxy_on_request_headers: STOP,
    proxy_on_request_body: body,
    proxy_on_request_trailers: CONTINUE,
  };
  const stream = start(callbacks, HOLD);
  const outcome = stream.send({ chunks: ["ab", "cd"], trailers: { "x-sum": "7" } });
  assert.deepEqual(logsOf(stream), ["", ""]);
  assert.equal(outcome.action, "continue");
  assert.equal(outcome.body.toString(), "abcd");
  assert.equal(outcome.requestTrailers?.get("x-sum"), "7");
});

test("a body above the buffer limit gets Envoy's 413, a body of exactly the limit does not", () => {
  const callbacks = { proxy_on_request_headers: STOP, proxy_on_request_body: UNTIL_END };
  const most = start(callbacks, HOLD, { bufferLimit: 6 }).send({ chunks: ["abc", "def"] });
  assert.equal(most.action, "continue");
  const stream = start(callbacks, HOLD, { bufferLimit: 6 });
  const over = stream.send({ chunks: ["abc", "defg", "h"] });
  assert.equal(over.action, "replied");
  assert.equal(over.localResponse?.status, 413);
  assert.equal(over.localResponse?.body.toString(), "Payload Too Large");
  assert.equal(over.requestHeaders, undefined);
  stream.finish();
});

test("a local reply passes the filter's own response callbacks, and the filter does not see the rest of the request", () => {
  const send = 'proxy_send_local_response (i32.const 403) "a b" "no" (i32.const 0) (i32.const 0) (i32.const -1)';
  const stream = start({
    proxy_on_request_headers: `${drop(send)} ${STOP}`,
    proxy_on_request_body: `${log("body")} ${CONTINUE}`,
    proxy_on_response_headers: `${drop('proxy_add_header_map_value (i32.const 2) "x-seen" "1"')} ${CONTINUE}`,
  });
  const { action, localResponse } = stream.send({ body: "x" });
  assert.equal(action, "replied");
  assert.equal(localResponse?.details, "a_b");
  assert.deepEqual(localResponse?.headers.toObject(), {
    ":status": "403",
    "content-length": "2",
    "content-type": "text/plain",
    "x-seen": "1",
  });
  assert.deepEqual(logsOf(stream), []);
  stream.finish();
});

test("the response's body is buffered and passed by the same rules", () => {
  const buffering = start(
    { proxy_on_response_headers: STOP, proxy_on_response_body: `${showBody(1)} ${UNTIL_END}` },
    HOLD,
  );
  buffering.send();
  assert.equal(buffering.respond({ chunks: ["a", "b"], end: false }).headers, undefined);
  const end = buffering.responseBody("c", true);
  assert.equal(end.body.toString(), "abc");
  assert.equal(end.status, 200);
  assert.deepEqual(logsOf(buffering), ["a", "ab", "abc"]);
  buffering.finish();
});

test("the access log reads headers of both directions, and the upstream's address as a property", () => {
  const read = (map: number, name: string) =>
    drop(`proxy_get_header_map_value (i32.const ${map}) "${name}" ${OUT}`) + SHOW_RESULT;
  const address = drop(`proxy_get_property "upstream\\00address" ${OUT}`) + SHOW_RESULT;
  const stream = start({ proxy_on_log: `${read(0, ":path")} ${read(2, ":status")} ${address}` });
  stream.send({ path: "/p" });
  stream.respond({ status: 201, upstreamAddress: "10.0.0.1:80" });
  stream.finish();
  assert.deepEqual(logsOf(stream), ["/p", "201", "10.0.0.1:80"]);
});

test("an aborted stream gets log, done and delete too, and its context is gone", () => {
  const stream = start({ proxy_on_request_headers: STOP, proxy_on_delete: log("delete") });
  stream.send();
  const vm = stream.filters[0]?.root.vm;
  assert.equal(vm?.contexts.size, 2);
  stream.abort();
  assert.deepEqual(logsOf(stream), ["delete"]);
  assert.equal(vm?.contexts.size, 1);
  assert.throws(() => stream.abort(), /the stream is over/);
});

test("host calls, allocations and memory growth are counted per stream", () => {
  const read = drop(`proxy_get_header_map_value (i32.const 0) ":path" ${OUT}`);
  const stream = start({ proxy_on_request_headers: `${read} ${read} (drop (memory.grow (i32.const 2))) ${CONTINUE}` });
  stream.send();
  assert.equal(stream.hostCallCount(), 2);
  assert.equal(stream.hostCallCount("proxy_get_header_map_value"), 2);
  assert.equal(stream.allocations, 2);
  assert.equal(stream.memoryGrowth(), 131072);
});
