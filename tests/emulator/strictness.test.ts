// A strict process refuses what a real Envoy refuses, ignores or leaves undefined; a lenient process notes it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Process, type ProcessOptions, type RootOptions, Stream } from "../../emulator/index.ts";
import { CONTINUE, drop, type Guest, guest, log, OUT, STOP, show } from "../../testkit/emulator/wat.ts";

const HOLD: RootOptions = { allowOnHeadersStopIteration: true };

function start(callbacks: Guest, options: RootOptions = {}, process: ProcessOptions = {}): Stream {
  return new Stream(new Process(process).startRoot(guest(callbacks), options));
}

function refuses(work: () => void, message: RegExp): void {
  assert.throws(work, { name: "HostViolation", message });
}

const logsOf = (stream: Stream) => stream.filters[0]?.root.vm.logs.map((line) => line.text);
const WRITE = drop('proxy_replace_header_map_value (i32.const 0) "x-a" "b"');

test("an import that Envoy does not offer makes the instantiation fail, with its name", () => {
  const missing = guest({}, { imports: '(import "env" "abort" (func (param i32 i32 i32 i32)))' });
  refuses(() => new Process().startVm(missing), /imports env\.abort,/);
  const cleared = guest({}, { imports: '(import "env" "proxy_clear_route_cache" (func (result i32)))' });
  refuses(() => new Process().startVm(cleared), /proxy_clear_route_cache/);
});

test("a module must export exactly one ABI version, a memory and an allocator", () => {
  refuses(() => new Process().startVm(guest({}, { rest: "" })), /exports \[\]; expected exactly one/);
  const both = '(func (export "proxy_abi_version_0_2_1")) (func (export "proxy_abi_version_0_2_0"))';
  refuses(() => new Process().startVm(guest({}, { rest: both })), /proxy_abi_version_0_2_1, proxy_abi_version_0_2_0\]/);
  const binary = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  refuses(() => new Process().startVm(binary), /exactly one/);
});

test("initialization may not use the host calls that Envoy restricts", () => {
  const eager = guest({ _initialize: drop('proxy_define_metric (i32.const 0) "early" (i32.const 16)') });
  refuses(() => new Process().startVm(eager), /proxy_define_metric during initialization.*restricted_callback/);
  assert.equal(new Process().startVm(guest({ _initialize: log("hello") })).logs[0]?.text, "hello");
});

test("the allocator may not call the host for data, and must return memory that exists and is large enough", () => {
  const read = `proxy_get_header_map_value (i32.const 0) ":path" ${OUT}`;
  const asking = {
    proxy_on_memory_allocate: `${WRITE} (i32.const 64)`,
    proxy_on_request_headers: `${drop(read)} ${STOP}`,
  };
  refuses(() => start(asking).send(), /proxy_replace_header_map_value during proxy_on_memory_allocate/);
  const outside = { proxy_on_memory_allocate: "(i32.const 65530)", proxy_on_request_headers: `${drop(read)} ${STOP}` };
  start(outside).send({ path: "/sixxx" });
  refuses(
    () => start(outside).send({ path: "/sevenx" }),
    /proxy_on_memory_allocate\(7\) returned .* leaves the memory/,
  );
});

test("when the allocator declines, only the call fails", () => {
  const read = show(`proxy_get_header_map_value (i32.const 0) ":path" ${OUT}`);
  const stream = start({ proxy_on_memory_allocate: "(i32.const 0)", proxy_on_request_headers: `${read} ${CONTINUE}` });
  assert.equal(stream.send().action, "continue");
  assert.deepEqual(logsOf(stream), ["6"]);
});

test("headers cannot be read or written after they were passed on", () => {
  const late = { proxy_on_request_headers: CONTINUE, proxy_on_request_body: `${WRITE} ${CONTINUE}` };
  refuses(
    () => start(late).send({ body: "x" }),
    /the request headers cannot be reached here \(in proxy_on_request_body/,
  );
  const read = show(`proxy_get_header_map_value (i32.const 0) ":path" ${OUT}`);
  const reading = { proxy_on_request_headers: CONTINUE, proxy_on_request_body: `${read} ${CONTINUE}` };
  refuses(() => start(reading).send({ body: "x" }), /cannot be reached here/);
});

test("stopped headers stay readable later, but are no longer writable", () => {
  const held = { proxy_on_request_headers: STOP, proxy_on_request_body: CONTINUE };
  const read = show(`proxy_get_header_map_value (i32.const 0) ":path" ${OUT}`);
  const reading = start({ ...held, proxy_on_response_headers: `${read} ${CONTINUE}` }, HOLD);
  reading.send({ body: "x" });
  reading.respond();
  assert.deepEqual(logsOf(reading), ["0"]);
  const writing = start({ ...held, proxy_on_response_headers: `${WRITE} ${CONTINUE}` }, HOLD);
  writing.send({ body: "x" });
  refuses(() => writing.respond(), /request headers have already been passed on/);
});

test("a map of the other direction cannot be reached", () => {
  const read = drop(`proxy_get_header_map_value (i32.const 2) ":status" ${OUT}`);
  refuses(() => start({ proxy_on_request_headers: `${read} ${CONTINUE}` }).send(), /the response headers cannot/);
  const pairs = drop(`proxy_get_header_map_pairs (i32.const 3) ${OUT}`);
  refuses(() => start({ proxy_on_request_headers: `${pairs} ${CONTINUE}` }).send(), /the response trailers cannot/);
  const unknown = drop('proxy_add_header_map_value (i32.const 9) "a" "b"');
  refuses(() => start({ proxy_on_request_headers: `${unknown} ${CONTINUE}` }).send(), /there is no map 9/);
});

test("header names that are no tokens and values with NUL, CR or LF are refused", () => {
  for (const pair of ['"x-a" "b\\0d\\0ac: d"', '"x-a" "b\\00"', '"x a" "b"', '"" "b"', '"x-a\\0a" "b"']) {
    const write = drop(`proxy_add_header_map_value (i32.const 0) ${pair}`);
    refuses(
      () => start({ proxy_on_request_headers: `${write} ${CONTINUE}` }).send(),
      /NUL, CR and LF|not an HTTP token/,
    );
  }
  const remove = drop('proxy_remove_header_map_value (i32.const 0) ":method"');
  refuses(() => start({ proxy_on_request_headers: `${remove} ${CONTINUE}` }).send(), /cannot go on without :method/);
});

test("every pointer must lie inside the memory", () => {
  const calls = [
    "proxy_log (i32.const 2) (i32.const 65530) (i32.const 7)",
    "proxy_log (i32.const 2) (i32.const -1) (i32.const 1)",
    "proxy_get_current_time_nanoseconds (i32.const 65529)",
    'proxy_get_header_map_value (i32.const 0) ":path" (i32.const 65533) (i32.const 20)',
    'proxy_set_property "a" (i32.const 65536) (i32.const 1)',
  ];
  for (const call of calls) {
    const stream = start({ proxy_on_request_headers: `${drop(call)} ${CONTINUE}` });
    refuses(() => stream.send(), /leaves the memory of 65536 bytes/);
  }
  const last = drop("proxy_get_current_time_nanoseconds (i32.const 65528)");
  assert.equal(start({ proxy_on_request_headers: `${last} ${CONTINUE}` }).send().action, "continue");
});

test("bodies are readable inside their callback only, and the configuration inside configure only", () => {
  const body = drop(`proxy_get_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 9) ${OUT}`);
  refuses(
    () => start({ proxy_on_request_headers: `${body} ${CONTINUE}` }).send(),
    /no request body outside its callback/,
  );
  const configuration = drop(`proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (i32.const 9) ${OUT}`);
  refuses(() => start({ proxy_on_vm_start: `${configuration} (i32.const 1)` }), /readable in configure only/);
  start({ proxy_on_configure: `${configuration} (i32.const 1)` });
  refuses(
    () => start({ proxy_on_request_headers: `${configuration} ${CONTINUE}` }).send(),
    /readable in configure only/,
  );
});

test("a buffer is prepended, appended or replaced whole, and content-length must match the body", () => {
  const set = (start: number, length: number) =>
    drop(`proxy_set_buffer_bytes (i32.const 0) (i32.const ${start}) (i32.const ${length}) "new"`);
  const body = (call: string): Guest => ({
    proxy_on_request_headers: CONTINUE,
    proxy_on_request_body: `${call} ${CONTINUE}`,
  });
  assert.equal(
    start(body(set(0, 9)))
      .send({ chunks: ["old body!"] })
      .body.toString(),
    "new",
  );
  assert.equal(
    start(body(set(0, 0)))
      .send({ chunks: ["old"] })
      .body.toString(),
    "newold",
  );
  assert.equal(
    start(body(set(3, 0)))
      .send({ chunks: ["old"] })
      .body.toString(),
    "oldnew",
  );
  refuses(() => start(body(set(1, 1))).send({ chunks: ["old"] }), /Envoy only prepends, appends or replaces all/);
  refuses(() => start(body(set(0, 99))).send({ body: "longer" }), /content-length says 6, but .* 3 bytes/);
});

test("an unknown metric id is refused, counters only grow, and gauges never fall below 0", () => {
  const define = (type: number) => `proxy_define_metric (i32.const ${type}) "m" (i32.const 16)`;
  const run = (calls: string) => start({ proxy_on_request_headers: `${calls} ${CONTINUE}` }).send();
  refuses(() => run(drop("proxy_increment_metric (i32.const 4) (i64.const 1)")), /no metric has the id 4/);
  refuses(() => run(drop("proxy_record_metric (i32.const 0) (i64.const 1)")), /no metric has the id 0/);
  refuses(() => run(drop(define(3))), /type 3; expected/);
  const add = (by: number) => drop(`proxy_increment_metric (i32.load (i32.const 16)) (i64.const ${by})`);
  refuses(() => run(drop(define(0)) + add(0)), /counter m cannot be changed by 0/);
  refuses(() => run(drop(define(1)) + add(1) + add(-2)), /gauge m would fall below 0/);
});

test("a local reply ends the request: later writes and a second local reply are refused", () => {
  const reply = drop(
    "proxy_send_local_response (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)",
  );
  const run = (calls: string) => start({ proxy_on_request_headers: `${calls} ${STOP}` }).send();
  assert.equal(run(reply).localResponse?.status, 403);
  refuses(() => run(reply + WRITE), /answered by a local response, the request goes nowhere/);
  refuses(() => run(reply + reply), /already answered/);
  refuses(() => run(reply.replace("403", "99")), /status 99; expected 200 to 599/);
  const malformed = reply.replace(
    /\(i32.const 0\) \(i32.const 0\) \(i32.const -1\)/,
    "(i32.const 0) (i32.const 3) (i32.const -1)",
  );
  refuses(() => run(malformed), /header list is malformed/);
  const late = start({ proxy_on_response_headers: `${reply} ${CONTINUE}` });
  late.send();
  refuses(() => late.respond(), /the response has begun/);
});

test("only a stopped stream can be continued, and only outside its own callback", () => {
  const go = drop("proxy_continue_stream (i32.const 0)");
  refuses(() => start({ proxy_on_request_headers: `${go} ${STOP}` }).send(), /inside the stream's own callback/);
  const free = start({ proxy_on_response_headers: `${go} ${CONTINUE}` });
  free.send();
  refuses(() => free.respond(), /the stream is not stopped/);
});

test("a root context has no stream: properties, responses and headers are refused there", () => {
  const tick = (call: string): Guest => ({
    proxy_on_configure: `${drop("proxy_set_tick_period_milliseconds (i32.const 10)")} (i32.const 1)`,
    proxy_on_tick: drop(call),
  });
  const run = (call: string) => new Process().startRoot(guest(tick(call))).tick();
  refuses(() => run('proxy_set_property "a" "b"'), /no stream to set it on/);
  refuses(() => run("proxy_continue_stream (i32.const 0)"), /a root context has no stream/);
  refuses(() => run('proxy_remove_header_map_value (i32.const 0) "a"'), /request headers cannot be reached/);
});

test("filter state that Envoy's own attributes shadow is refused", () => {
  const set = (path: string): Guest => ({
    proxy_on_request_headers: `${drop(`proxy_set_property "${path}" "v"`)} ${CONTINUE}`,
  });
  refuses(() => start(set("request")).send(), /never read back/);
  refuses(() => start(set("a\\00b")).send(), /never read back/);
  assert.deepEqual([...start(set("mine")).send().filterState], [["mine", "v"]]);
});

test("a host call that the emulator lacks is refused by its name", () => {
  const zeros = "(i32.const 0) ".repeat(10);
  const call: Guest = { proxy_on_request_headers: `${drop(`proxy_http_call ${zeros}`)} ${CONTINUE}` };
  refuses(() => start(call).send(), /proxy_http_call: the emulator does not have this call/);
});

test("a status that the ABI does not have is refused", () => {
  refuses(() => start({ proxy_on_request_headers: "(i32.const 2)" }).send(), /returned 2; the ABI has 0, 1, 3, 4/);
});

test("a trap fails the VM for good, and its last log line is in the message", () => {
  const stream = start({ proxy_on_request_headers: `${log("about to fall")} unreachable` });
  const root = stream.filters[0]?.root;
  assert.ok(root);
  assert.throws(() => stream.send(), { name: "VmFailed", message: /proxy_on_request_headers trapped.*about to fall/ });
  assert.throws(() => new Stream(root).send(), { name: "VmFailed", message: /failed before/ });
  assert.throws(() => root.vm.assertHealthy(), { name: "VmFailed" });
});

test("a lenient process offers unknown imports: the call returns Unimplemented, and the violation is noted", () => {
  const process = new Process({ strict: false });
  const unknown = "proxy_of_tomorrow";
  const imports = `(import "env" "${unknown}" (func $${unknown} (param i32) (result i32)))`;
  const root = process.startRoot(
    guest({ proxy_on_configure: `${show(`${unknown} (i32.const 0)`)} (i32.const 1)` }, { imports }),
  );
  assert.deepEqual(
    root.vm.logs.map((line) => line.text.charCodeAt(0) - 48),
    [12],
  );
  assert.match(process.violations.join(), /imports env\.proxy_of_tomorrow, which Envoy does not offer/);
});

test("a lenient process returns Envoy's codes, and notes the violations", () => {
  const late = show('proxy_replace_header_map_value (i32.const 0) "x-a" "b"');
  const callbacks = { proxy_on_request_headers: CONTINUE, proxy_on_request_body: `${late} ${CONTINUE}` };
  const stream = start(callbacks, {}, { strict: false });
  assert.equal(stream.send({ body: "x" }).requestHeaders?.has("x-a"), false);
  assert.deepEqual(logsOf(stream), ["2"]);
  assert.equal(stream.filters[0]?.root.vm.process.violations.length, 1);
});
