// A filter with the minimum cost of a WebAssembly filter in Envoy. This filter has the same callbacks as Pilotfish, reads headers and
// body once each, and writes the headers. It has no grammar, no names, no endpoints and no counters. No Wasm filter can cost less.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DESTINATION_HEADER, MODEL_HEADER } from "../../protocol/constants.ts";
import { guest } from "../../testkit/emulator/wat.ts";
import type { BodyKind } from "./bodies.ts";

/** The headers that the filter writes: the model's header like the Lua filter, or the headers of the model and the endpoints. */
export type Floor = "model" | "model-and-pods";

/** The filter's memory has room for these bodies, which have the model at a known position. */
export function floorTakes({ bytes, position }: Pick<BodyKind, "bytes" | "position">): boolean {
  return bytes <= 16 * 1024 && position === "first";
}

const REQUEST_HEADERS = "(i32.const 0)";
const OUT = "(i32.const 16) (i32.const 20)";
/** Every body of the bench with the model first begins with {"model":" */
const MODEL_AT = '{"model":"'.length;

function floorModule(floor: Floor, endpoints: readonly string[]): Uint8Array {
  const set = (name: string, value: string) =>
    `(drop (call $proxy_replace_header_map_value ${REQUEST_HEADERS} "${name}" ${value}))`;
  // Pods take turns, as with picks: a single pod would keep its connections warm.
  const turn = "(i32.load (i32.const 24))";
  const lists = endpoints.map((_, i) => [0, 1, 2].map((k) => endpoints[(i + k) % endpoints.length]).join(","));
  const setPods = `(i32.store (i32.const 24) (i32.rem_u (i32.add ${turn} (i32.const 1)) (i32.const ${lists.length})))
    ${lists.map((list, i) => `(if (i32.eq ${turn} (i32.const ${i})) (then ${set(DESTINATION_HEADER, `"${list}"`)}))`).join("")}`;
  return guest({
    proxy_on_context_create: "",
    proxy_on_vm_start: "(i32.const 1)",
    proxy_on_configure: "(i32.const 1)",
    proxy_on_request_headers: `(drop (call $proxy_get_header_map_pairs ${REQUEST_HEADERS} ${OUT})) (i32.const 1)`,
    proxy_on_request_body: `(local $from i32) (local $to i32)
      (if (local.get $end) (then
        (local.set $from (i32.add (i32.load (i32.const 16)) (i32.const ${MODEL_AT})))
        (local.set $to (local.get $from))
        (loop $next (if (i32.ne (i32.load8_u (local.get $to)) (i32.const 34))
          (then (local.set $to (i32.add (local.get $to) (i32.const 1))) (br $next))))
        ${set(MODEL_HEADER, "(local.get $from) (i32.sub (local.get $to) (local.get $from))")}
        ${floor === "model" ? "" : setPods}
        (return (i32.const 0))))
      (drop (call $proxy_get_buffer_bytes (i32.const 0) (i32.const 0) (local.get $size) ${OUT}))
      (i32.const 1)`,
    proxy_on_response_headers: "(i32.const 0)",
    proxy_on_response_body: "(i32.const 0)",
    proxy_on_delete: "",
  });
}

export async function writeFloor(floor: Floor, endpoints: readonly string[], folder: string): Promise<string> {
  const file = join(folder, `floor-${floor}.wasm`);
  await writeFile(file, floorModule(floor, endpoints));
  return file;
}
