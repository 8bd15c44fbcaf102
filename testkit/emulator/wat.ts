// Guests for the emulator's own tests. A test gives the bodies of some callbacks; this file writes the rest of the module.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";

// The AssemblyScript compiler depends on binaryen, so WebAssembly text needs no further dependency. binaryen runs in a worker
// without this process's loader, which would need many seconds to rewrite the 13 MB of binaryen.
const ASSEMBLER = `
  const { workerData } = require("node:worker_threads");
  const { url, port, signal } = workerData;
  import(url).then(({ default: binaryen }) => {
    port.on("message", (text) => {
      try {
        const module = binaryen.parseText(text);
        port.postMessage(module.emitBinary());
        module.dispose();
      } catch (error) {
        port.postMessage(String(error));
      }
      Atomics.store(signal, 0, 1);
      Atomics.notify(signal, 0);
    });
  });
`;
const compiler = createRequire(import.meta.resolve("assemblyscript"));
const signal = new Int32Array(new SharedArrayBuffer(4));
const { port1, port2 } = new MessageChannel();
new Worker(ASSEMBLER, {
  eval: true,
  execArgv: [],
  workerData: { url: pathToFileURL(compiler.resolve("binaryen")).href, port: port2, signal },
  transferList: [port2],
}).unref();
port1.unref();

function assemble(text: string): Uint8Array {
  Atomics.store(signal, 0, 0);
  port1.postMessage(text);
  if (Atomics.wait(signal, 0, 0, 60_000) === "timed-out") throw new Error("binaryen did not answer");
  const answer: unknown = receiveMessageOnPort(port1)?.message;
  if (answer instanceof Uint8Array) return answer;
  throw new Error(`${String(answer)} in ${text}`);
}

/** Signatures of the imports that tests use, by the name that WAT bodies call them with. */
const IMPORTS: Record<string, string> = {
  proxy_log: "(param i32 i32 i32) (result i32)",
  proxy_get_current_time_nanoseconds: "(param i32) (result i32)",
  proxy_set_tick_period_milliseconds: "(param i32) (result i32)",
  proxy_get_header_map_value: "(param i32 i32 i32 i32 i32) (result i32)",
  proxy_get_header_map_pairs: "(param i32 i32 i32) (result i32)",
  proxy_get_header_map_size: "(param i32 i32) (result i32)",
  proxy_add_header_map_value: "(param i32 i32 i32 i32 i32) (result i32)",
  proxy_replace_header_map_value: "(param i32 i32 i32 i32 i32) (result i32)",
  proxy_remove_header_map_value: "(param i32 i32 i32) (result i32)",
  proxy_get_buffer_bytes: "(param i32 i32 i32 i32 i32) (result i32)",
  proxy_get_buffer_status: "(param i32 i32 i32) (result i32)",
  proxy_set_buffer_bytes: "(param i32 i32 i32 i32 i32) (result i32)",
  proxy_get_property: "(param i32 i32 i32 i32) (result i32)",
  proxy_set_property: "(param i32 i32 i32 i32) (result i32)",
  proxy_get_shared_data: "(param i32 i32 i32 i32 i32) (result i32)",
  proxy_set_shared_data: "(param i32 i32 i32 i32 i32) (result i32)",
  proxy_register_shared_queue: "(param i32 i32 i32) (result i32)",
  proxy_resolve_shared_queue: "(param i32 i32 i32 i32 i32) (result i32)",
  proxy_enqueue_shared_queue: "(param i32 i32 i32) (result i32)",
  proxy_dequeue_shared_queue: "(param i32 i32 i32) (result i32)",
  proxy_define_metric: "(param i32 i32 i32 i32) (result i32)",
  proxy_increment_metric: "(param i32 i64) (result i32)",
  proxy_record_metric: "(param i32 i64) (result i32)",
  proxy_get_metric: "(param i32 i32) (result i32)",
  proxy_send_local_response: "(param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
  proxy_continue_stream: "(param i32) (result i32)",
  proxy_set_effective_context: "(param i32) (result i32)",
  proxy_call_foreign_function: "(param i32 i32 i32 i32 i32 i32) (result i32)",
  proxy_http_call: "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
};

/** Parameters ($id first) and result of each export. A body leaves the result on the stack. */
const EXPORTS: Record<string, string> = {
  _initialize: "",
  proxy_on_context_create: "(param $id i32) (param $parent i32)",
  proxy_on_vm_start: "(param $id i32) (param $size i32) (result i32)",
  proxy_on_configure: "(param $id i32) (param $size i32) (result i32)",
  proxy_on_tick: "(param $id i32)",
  proxy_on_queue_ready: "(param $id i32) (param $token i32)",
  proxy_on_request_headers: "(param $id i32) (param $count i32) (param $end i32) (result i32)",
  proxy_on_request_body: "(param $id i32) (param $size i32) (param $end i32) (result i32)",
  proxy_on_request_trailers: "(param $id i32) (param $count i32) (result i32)",
  proxy_on_response_headers: "(param $id i32) (param $count i32) (param $end i32) (result i32)",
  proxy_on_response_body: "(param $id i32) (param $size i32) (param $end i32) (result i32)",
  proxy_on_log: "(param $id i32)",
  proxy_on_done: "(param $id i32) (result i32)",
  proxy_on_delete: "(param $id i32)",
  proxy_on_memory_allocate: "(param $size i32) (result i32)",
};

export interface Guest {
  /** Bodies by export name. `$name` calls an import; `"text"` becomes the pointer and length of that text. */
  [callback: string]: string;
}

/** Host calls write their out-parameters from address 16 on. The allocator returns addresses from 32768 on. */
const ALLOCATED = 32768;

const cache = new Map<string, Uint8Array>();

/** A module of one memory page that exports the given callbacks. Without a given allocator it exports a simple allocator. */
export function guest(callbacks: Guest, parts: { imports?: string; rest?: string } = {}): Uint8Array {
  const all: Guest = { proxy_on_memory_allocate: `(i32.const ${ALLOCATED})`, ...callbacks };
  let data = "";
  let next = 1024;
  const functions = Object.entries(all).map(([name, body]) => {
    const text = body.replaceAll(/"((?:[^"\\]|\\.)*)"/g, (_, literal: string) => {
      const at = next;
      const length = Buffer.byteLength(literal.replaceAll(/\\([0-9a-f]{2}|.)/g, "x"));
      next += length + 1;
      data += `(data (i32.const ${at}) "${literal}")\n`;
      return `(i32.const ${at}) (i32.const ${length})`;
    });
    return `(func (export "${name}") ${EXPORTS[name] ?? ""} ${text})`;
  });
  const used = Object.entries(IMPORTS).filter(([name]) => functions.some((text) => text.includes(`$${name} `)));
  const wat = `(module
    ${used.map(([name, type]) => `(import "env" "${name}" (func $${name} ${type}))`).join("\n")}
    ${parts.imports ?? ""}
    (memory (export "memory") 1)
    ${data}
    ${functions.join("\n")}
    ${parts.rest ?? '(func (export "proxy_abi_version_0_2_1"))'})`;
  const cached = cache.get(wat);
  if (cached) return cached;
  const bytes = assemble(wat);
  cache.set(wat, bytes);
  return bytes;
}

/** A host call whose result code is ignored. */
export function drop(call: string): string {
  return `(drop (call $${call} ))`;
}

/** A host call whose result code is logged as one character: "0" for 0, and so on. */
export function show(call: string): string {
  return `(i32.store8 (i32.const 8) (i32.add (i32.const 48) (call $${call} ))) ${drop("proxy_log (i32.const 2) (i32.const 8) (i32.const 1)")}`;
}

export function log(text: string): string {
  return drop(`proxy_log (i32.const 2) "${text}"`);
}

/** Logs the bytes that the last host call returned through the out-parameters at 16 and 20. */
export const SHOW_RESULT = drop("proxy_log (i32.const 2) (i32.load (i32.const 16)) (i32.load (i32.const 20))");
export const OUT = "(i32.const 16) (i32.const 20)";
export const CONTINUE = "(i32.const 0)";
export const STOP = "(i32.const 1)";
