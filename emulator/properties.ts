// Properties (`proxy_get_property`): the attributes of Envoy that filters like ours read, and the stream's own state.
import { Filter } from "./stream.ts";
import type { Root } from "./vm.ts";

/** Text is UTF-8, numbers are int64 little-endian, as Envoy serialises CEL values. */
export type PropertyValue = string | Uint8Array | number | bigint;

/** First path parts that Envoy resolves itself: filter state of the same name cannot be read back. */
const RESERVED = new Set(
  (
    "request response connection upstream source destination metadata filter_state upstream_filter_state xds node " +
    "plugin_name plugin_root_id plugin_vm_id connection_id"
  ).split(" "),
);

export function reservedProperty(path: string): boolean {
  return RESERVED.has(path);
}

/** `path` has its parts separated by NUL bytes. */
export function property(context: Root | Filter, path: string): Buffer | undefined {
  const parts = path.split("\0");
  if (parts.at(-1) === "") parts.pop();
  const root = context instanceof Filter ? context.root : context;
  if (parts.length === 1) {
    if (parts[0] === "plugin_name") return Buffer.from(root.name);
    if (parts[0] === "plugin_root_id") return Buffer.from(root.rootId);
    if (parts[0] === "plugin_vm_id") return Buffer.from(root.vm.vmId);
  }
  if (!(context instanceof Filter)) return undefined;
  const { stream } = context;
  const given = stream.properties.get(parts.join("."));
  if (given !== undefined) return encode(given);
  if (parts[0] === "request" && stream.requestHeaders) return request(context, parts);
  if (parts[0] === "response" && stream.responseHeaders) {
    if (parts[1] === "code" && parts.length === 2) return encode(Number(stream.responseHeaders.get(":status")));
    if (parts[1] === "headers" && parts[2] !== undefined) return stream.responseHeaders.bytes(parts[2]);
  }
  return parts.length === 1 && parts[0] !== undefined && !RESERVED.has(parts[0])
    ? stream.filterState.get(parts[0])
    : undefined;
}

function request(context: Filter, parts: string[]): Buffer | undefined {
  const headers = context.stream.requestHeaders;
  if (!headers) return undefined;
  if (parts[1] === "headers" && parts[2] !== undefined) return headers.bytes(parts[2]);
  if (parts.length !== 2) return undefined;
  switch (parts[1]) {
    case "path":
      return headers.bytes(":path");
    case "url_path":
      return Buffer.from(headers.get(":path")?.split("?")[0] ?? "");
    case "host":
      return headers.bytes(":authority");
    case "method":
      return headers.bytes(":method");
    case "scheme":
      return headers.bytes(":scheme");
    case "id":
      return headers.bytes("x-request-id");
    default:
      return undefined;
  }
}

function encode(value: PropertyValue): Buffer {
  if (typeof value === "string") return Buffer.from(value);
  if (typeof value === "object") return Buffer.from(value);
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}
