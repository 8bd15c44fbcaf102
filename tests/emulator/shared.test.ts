// The emulator shares data, queues, metrics and the clock between the VMs of one process as Envoy does.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Process, type Root, Stream } from "../../emulator/index.ts";
import { CONTINUE, drop, type Guest, guest, log, OUT, SHOW_RESULT, STOP, show } from "../../testkit/emulator/wat.ts";

const logsOf = (root: Root) => root.vm.logs.map((line) => line.text);
const configured = (calls: string): Guest => ({ proxy_on_configure: `${calls} (i32.const 1)` });

test("shared data belongs to a vm_id: its workers see the data, other ids do not, and the last VM takes the data with it", () => {
  const process = new Process();
  const writer = guest(configured(show('proxy_set_shared_data "k" "v" (i32.const 0)')));
  const reader = guest(configured(`${show(`proxy_get_shared_data "k" ${OUT} (i32.const 24)`)} ${SHOW_RESULT}`));
  const first = process.startRoot(writer, { vmId: "a" });
  assert.deepEqual(logsOf(process.startRoot(reader, { vmId: "a" })), ["0", "v"]);
  assert.equal(logsOf(process.startRoot(reader, { vmId: "b" }))[0], "1");
  assert.deepEqual(process.shared.keys("a"), ["k"]);
  first.vm.close();
  assert.deepEqual(process.shared.keys("a"), ["k"]);
  for (const vm of [...process.vms]) vm.close();
  assert.deepEqual(process.shared.keys("a"), []);
});

test("a stale cas is refused, cas 0 always writes, and a missing key takes any cas", () => {
  const process = new Process();
  assert.equal(process.shared.set("a", "k", Buffer.from("1"), 99), 0);
  const cas = process.shared.get("a", "k")?.cas ?? 0;
  const set = (value: number) => show(`proxy_set_shared_data "k" "2" (i32.const ${value})`);
  const root = process.startRoot(guest(configured(set(cas) + set(cas) + set(0))), { vmId: "a" });
  assert.deepEqual(logsOf(root), ["0", "8", "0"]);
});

test("counters and gauges add up over all VMs of the process", () => {
  const process = new Process();
  const counting = guest(
    configured(
      drop('proxy_define_metric (i32.const 0) "hits" (i32.const 16)') +
        drop("proxy_increment_metric (i32.load (i32.const 16)) (i64.const 2)") +
        drop('proxy_define_metric (i32.const 1) "open" (i32.const 16)') +
        drop("proxy_record_metric (i32.load (i32.const 16)) (i64.const 7)"),
    ),
  );
  process.startRoot(counting);
  process.startRoot(counting);
  assert.deepEqual(process.metrics.values(), { hits: 4, open: 7 });
  assert.equal(process.metrics.value("absent"), undefined);
});

test("the test sets the clock, and advancing the clock runs each tick when it is due", () => {
  const process = new Process({ now: 1_000_000_000n });
  const root = process.startRoot(
    guest({
      ...configured(drop("proxy_set_tick_period_milliseconds (i32.const 100)")),
      proxy_on_tick: log("tick"),
    }),
  );
  process.advance(99);
  assert.deepEqual(logsOf(root), []);
  process.advance(201);
  assert.deepEqual(logsOf(root), ["tick", "tick", "tick"]);
  assert.equal(process.now, 1_300_000_000n);
  assert.throws(() => process.startRoot(guest({})).tick(), /never set a tick period/);
});

// The two filters of a gateway that cannot set the flag: the reader sees the body, the holder keeps the headers.
const HOLDER = guest({
  proxy_on_configure: `${drop('proxy_register_shared_queue "q" (i32.const 64)')} (i32.const 1)`,
  proxy_on_request_headers: `(i32.store (i32.const 72) (local.get $id))
    ${drop('proxy_set_property "holder" (i32.const 64) (i32.const 12)')} ${STOP}`,
  proxy_on_queue_ready: `${drop(`proxy_dequeue_shared_queue (local.get $token) ${OUT}`)}
    ${show("proxy_set_effective_context (i32.load (i32.load (i32.const 16)))")}
    ${drop('proxy_replace_header_map_value (i32.const 0) "x-model" "m"')}
    ${drop("proxy_continue_stream (i32.const 0)")}`,
});
const READER = guest({
  proxy_on_request_body: `${drop(`proxy_get_property "holder" ${OUT}`)}
    ${drop("proxy_enqueue_shared_queue (i32.load (i32.load (i32.const 16))) (i32.add (i32.load (i32.const 16)) (i32.const 8)) (i32.const 4)")}
    ${CONTINUE}`,
});

test("two filters share headers and filter state, and a queue wakes the holder after the reader has returned", () => {
  const process = new Process({ autoSettle: false });
  const reader = process.startRoot(READER, { vmId: "reader" });
  const holder = process.startRoot(HOLDER, { vmId: "holder" });
  const stream = new Stream([reader, holder]);
  assert.equal(stream.send({ body: "{}" }).action, "stopped");
  process.settle();
  assert.deepEqual(logsOf(holder), ["0"]);
  assert.equal(stream.outcome.action, "continue");
  assert.equal(stream.outcome.requestHeaders?.get("x-model"), "m");
  assert.equal(stream.outcome.body.toString(), "{}");
});

test("the response passes the filters in the opposite order", () => {
  const process = new Process();
  const add = (value: string) =>
    process.startRoot(
      guest({
        proxy_on_response_headers: drop(`proxy_add_header_map_value (i32.const 2) "x-by" "${value}"`) + CONTINUE,
      }),
    );
  const stream = new Stream([add("first"), add("second")]);
  stream.send();
  assert.deepEqual(stream.respond().headers?.all("x-by"), ["second", "first"]);
});

test("a stream that is gone cannot become the effective context", () => {
  const process = new Process({ autoSettle: false });
  const holder = process.startRoot(
    guest({
      proxy_on_configure: `${drop('proxy_register_shared_queue "q" (i32.const 64)')} (i32.const 1)`,
      proxy_on_request_headers: STOP,
      proxy_on_queue_ready: show("proxy_set_effective_context (i32.const 2)"),
    }),
  );
  const stream = new Stream(holder);
  stream.send();
  process.queues.enqueue(1, Buffer.from("x"));
  process.settle();
  stream.abort();
  process.queues.enqueue(1, Buffer.from("x"));
  process.settle();
  assert.deepEqual(logsOf(holder), ["0", "2"]);
});

test("environment and random source reach the guest through WASI", () => {
  const process = new Process({ random: (bytes) => new Uint8Array(bytes).fill(65) });
  const wasi = (name: string) =>
    `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param i32 i32) (result i32)))`;
  const root = process.startRoot(
    guest(
      configured(
        `${drop("environ_get (i32.const 64) (i32.const 128)")} ${drop("random_get (i32.const 200) (i32.const 3)")}
         ${drop("proxy_log (i32.const 2) (i32.load (i32.const 64)) (i32.const 3)")}
         ${drop("proxy_log (i32.const 2) (i32.const 200) (i32.const 3)")}`,
      ),
      { imports: wasi("environ_get") + wasi("random_get") },
    ),
    { environment: { K: "v" } },
  );
  assert.deepEqual(logsOf(root), ["K=v", "AAA"]);
});
