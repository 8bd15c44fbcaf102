// Host calls on properties: the attributes of Envoy that filters such as Pilotfish read, and the stream's filter state.
import { Result } from "../codes.ts";
import type { Context, Host, PropertyValue, StreamContext } from "../contexts.ts";
import type { HeaderMap } from "../headers.ts";
import type { HostFunctions } from "./function.ts";

/** First parts of the paths that Envoy resolves itself. A guest cannot read back filter state of the same name. */
const RESERVED = new Set(
  (
    "request response connection upstream source destination metadata filter_state upstream_filter_state xds node " +
    "plugin_name plugin_root_id plugin_vm_id connection_id"
  ).split(" "),
);

export function propertyCalls(host: Host): HostFunctions {
  const { memory } = host;
  return {
    proxy_get_property(path: number, length: number, valueAt: number, lengthAt: number) {
      const text = memory.text(path, length, "proxy_get_property");
      if (text === undefined) return Result.InvalidMemoryAccess;
      const value = property(host.context, host.vmId, text);
      if (value) return memory.give(value, valueAt, lengthAt, "proxy_get_property");
      host.unknownProperties.add(text.replaceAll("\0", "."));
      return Result.NotFound;
    },
    proxy_set_property(path: number, length: number, value: number, valueLength: number) {
      const call = "proxy_set_property";
      const key = memory.text(path, length, call);
      const bytes = memory.read(value, valueLength, call);
      if (key === undefined || !bytes) return Result.InvalidMemoryAccess;
      const { context } = host;
      if (context.kind !== "filter") {
        return host.refuse(Result.NotFound, `${call}: ${key}: a root context has no stream to set it on`);
      }
      if (context.stream.phase !== "open") host.refuse(Result.Ok, `${call}: ${key}: the stream is over`);
      if (key === "" || key.includes("\0") || RESERVED.has(key)) {
        host.refuse(Result.Ok, `${call}: ${JSON.stringify(key)} can be written but never read back`);
      }
      context.stream.filterState.set(key, bytes);
      return Result.Ok;
    },
  };
}

/** Returns the value of a property. NUL bytes separate the parts of `path`. */
function property(context: Context, vmId: string, path: string): Buffer | undefined {
  const parts = path.split("\0");
  if (parts.at(-1) === "") parts.pop();
  const root = context.kind === "filter" ? context.root : context;
  if (parts.length === 1) {
    if (parts[0] === "plugin_name") return Buffer.from(root.name);
    if (parts[0] === "plugin_root_id") return Buffer.from(root.rootId);
    if (parts[0] === "plugin_vm_id") return Buffer.from(vmId);
  }
  return context.kind === "filter" ? ofStream(context.stream, parts) : undefined;
}

function ofStream(stream: StreamContext, parts: readonly string[]): Buffer | undefined {
  const given = stream.properties.get(parts.join("."));
  if (given !== undefined) return encode(given);
  if (parts[0] === "request" && stream.requestHeaders) return ofRequest(stream.requestHeaders, parts);
  if (parts[0] === "response" && stream.responseHeaders) {
    if (parts[1] === "code" && parts.length === 2) return encode(Number(stream.responseHeaders.get(":status")));
    if (parts[1] === "headers" && parts[2] !== undefined) return stream.responseHeaders.bytes(parts[2]);
  }
  return parts.length === 1 && parts[0] !== undefined && !RESERVED.has(parts[0])
    ? stream.filterState.get(parts[0])
    : undefined;
}

function ofRequest(headers: HeaderMap, parts: readonly string[]): Buffer | undefined {
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
