// Host calls on header maps. They check whether the running callback may reach the map, and what the guest writes into it.
import { MAX_MAP_TYPE, MapType, Result } from "../codes.ts";
import type { FilterContext, Host } from "../contexts.ts";
import { type HeaderMap, headerFault, parsePairs, serializePairs } from "../headers.ts";
import type { HostFunctions } from "./function.ts";

const NAMES = ["request headers", "request trailers", "response headers", "response trailers"];
const REQUIRED = new Set([":method", ":path", ":authority", ":scheme", ":status"]);

export function headerMapCalls(host: Host): HostFunctions {
  const { memory } = host;

  function readable(call: string, type: number): HeaderMap | undefined {
    const { context } = host;
    let map: HeaderMap | undefined;
    if (context.kind === "filter") {
      const { stream } = context;
      if (stream.phase === "logging") {
        map = [stream.requestHeaders, undefined, stream.responseHeaders, stream.responseTrailers][type];
        if (!map && type <= MapType.ResponseTrailers) return undefined;
      } else {
        map = visible(context, type);
      }
    }
    if (map) return map;
    host.refuse(Result.BadArgument, `${call}: the ${NAMES[type] ?? `map ${type}`} cannot be reached here`);
    return undefined;
  }

  function writable(call: string, type: number): HeaderMap | undefined {
    const map = readable(call, type);
    const { context } = host;
    if (!map || context.kind !== "filter") return undefined;
    const { stream } = context;
    const passed = (type === MapType.RequestHeaders ? context.request : context.response).headersPassed;
    const header = type === MapType.RequestHeaders || type === MapType.ResponseHeaders;
    if (stream.phase !== "open") {
      host.refuse(Result.BadArgument, `${call}: the stream is over, a written header reaches nobody`);
    } else if (type <= MapType.RequestTrailers && stream.replied) {
      host.refuse(Result.Ok, `${call}: the stream was answered by a local response, the request goes nowhere`);
    } else if (header && passed) {
      host.refuse(Result.Ok, `${call}: the ${NAMES[type]} have already been passed on`);
    }
    return map;
  }

  function modified(type: number): number {
    if (type === MapType.RequestHeaders && host.context.kind === "filter") host.context.stream.routeClears++;
    return Result.Ok;
  }

  /** Returns one of the three host calls that write a single header. */
  function write(call: string, apply: (map: HeaderMap, name: string, value: Buffer) => void, takesValue = true) {
    return (type: number, name: number, nameLength: number, value = 0, valueLength = 0) => {
      if (type > MAX_MAP_TYPE) return host.refuse(Result.BadArgument, `${call}: there is no map ${type}`);
      const key = memory.text(name, nameLength, call);
      const bytes = takesValue ? memory.read(value, valueLength, call) : Buffer.alloc(0);
      if (key === undefined || !bytes) return Result.InvalidMemoryAccess;
      const map = writable(call, type);
      if (!map) return Result.BadArgument;
      const fault = headerFault(key, bytes);
      if (fault) host.refuse(Result.Ok, `${call}: ${fault}`);
      apply(map, key, bytes);
      return modified(type);
    };
  }

  return {
    proxy_get_header_map_value(type: number, name: number, nameLength: number, valueAt: number, lengthAt: number) {
      const call = "proxy_get_header_map_value";
      if (type > MAX_MAP_TYPE) return host.refuse(Result.BadArgument, `${call}: there is no map ${type}`);
      const key = memory.text(name, nameLength, call);
      if (key === undefined) return Result.InvalidMemoryAccess;
      const map = readable(call, type);
      if (!map) {
        const logging = host.context.kind === "filter" && host.context.stream.phase === "logging";
        return logging ? Result.NotFound : Result.BadArgument;
      }
      const value = map.bytes(key);
      return value ? memory.give(value, valueAt, lengthAt, call) : Result.NotFound;
    },
    proxy_get_header_map_pairs(type: number, pointerAt: number, lengthAt: number) {
      const call = "proxy_get_header_map_pairs";
      if (type > MAX_MAP_TYPE) return host.refuse(Result.BadArgument, `${call}: there is no map ${type}`);
      const pairs = readable(call, type)?.pairs() ?? [];
      return memory.give(pairs.length === 0 ? Buffer.alloc(0) : serializePairs(pairs), pointerAt, lengthAt, call);
    },
    proxy_get_header_map_size(type: number, at: number) {
      const map = readable("proxy_get_header_map_size", type);
      if (!map) return Result.BadArgument;
      return memory.setWord(at, map.byteSize(), "proxy_get_header_map_size") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_set_header_map_pairs(type: number, pointer: number, length: number) {
      const call = "proxy_set_header_map_pairs";
      const bytes = memory.read(pointer, length, call);
      if (!bytes) return Result.InvalidMemoryAccess;
      const map = writable(call, type);
      if (!map) return Result.BadArgument;
      const pairs = parsePairs(bytes);
      if (!pairs) host.refuse(Result.Ok, `${call}: the header list is malformed, Envoy reads an empty list`);
      for (const [name] of map.pairs()) map.remove(name);
      for (const [name, value] of pairs ?? []) {
        const fault = headerFault(name, value);
        if (fault) host.refuse(Result.Ok, `${call}: ${fault}`);
        map.add(name, value);
      }
      return modified(type);
    },
    proxy_add_header_map_value: write("proxy_add_header_map_value", (map, name, value) => map.add(name, value)),
    proxy_replace_header_map_value: write("proxy_replace_header_map_value", (map, name, value) =>
      map.replace(name, value),
    ),
    proxy_remove_header_map_value: write(
      "proxy_remove_header_map_value",
      (map, name) => {
        if (REQUIRED.has(name.toLowerCase())) {
          host.refuse(Result.Ok, `proxy_remove_header_map_value: Envoy cannot go on without ${name}`);
        }
        map.remove(name);
      },
      false,
    ),
  };
}

function visible(filter: FilterContext, type: number): HeaderMap | undefined {
  if (type === MapType.RequestHeaders) return filter.request.visibleHeaders;
  if (type === MapType.RequestTrailers) return filter.request.visibleTrailers;
  if (type === MapType.ResponseHeaders) return filter.response.visibleHeaders;
  if (type === MapType.ResponseTrailers) return filter.response.visibleTrailers;
  return undefined;
}
