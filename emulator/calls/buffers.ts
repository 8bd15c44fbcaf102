// Host calls on buffers. A guest reaches a body in its body callback, and a configuration while it configures.
import { BufferType, MAX_BUFFER_TYPE, Result } from "../codes.ts";
import type { Body, Direction, Host } from "../contexts.ts";
import type { HostFunctions } from "./function.ts";

type Found = { bytes: Buffer; body?: Body; direction?: Direction } | { missing: number };

export function bufferCalls(host: Host): HostFunctions {
  const { memory } = host;

  function find(call: string, type: number): Found {
    if (type > MAX_BUFFER_TYPE) {
      return { missing: host.refuse(Result.BadArgument, `${call}: there is no buffer ${type}`) };
    }
    const { context } = host;
    if (type === BufferType.VmConfiguration) return { bytes: Buffer.from(host.vmConfiguration) };
    if (type === BufferType.PluginConfiguration) {
      if (context.kind !== "filter" && context.configurationReadable) {
        return { bytes: Buffer.from(context.configuration) };
      }
      return {
        missing: host.refuse(Result.NotFound, `${call}: the plugin's configuration is readable in configure only`),
      };
    }
    if (type > BufferType.ResponseBody || context.kind !== "filter") {
      return { missing: host.refuse(Result.NotFound, `${call}: buffer ${type} does not exist here`) };
    }
    const direction: Direction = type === BufferType.RequestBody ? "request" : "response";
    const body = context[direction].body();
    if (body) return { bytes: body.bytes, body, direction };
    host.refuse(Result.Ok, `${call}: there is no ${direction} body outside its callback`);
    return { bytes: Buffer.alloc(0) };
  }

  return {
    proxy_get_buffer_bytes(type: number, start: number, length: number, pointerAt: number, lengthAt: number) {
      const call = "proxy_get_buffer_bytes";
      const found = find(call, type);
      if ("missing" in found) return found.missing;
      // A read past the end is no error: Envoy returns a null pointer and length 0.
      return memory.give(found.bytes.subarray(start, start + length), pointerAt, lengthAt, call);
    },
    proxy_get_buffer_status(type: number, lengthAt: number, flagsAt: number) {
      const call = "proxy_get_buffer_status";
      const found = find(call, type);
      if ("missing" in found) return found.missing;
      const done = memory.setWord(lengthAt, found.bytes.length, call) && memory.setWord(flagsAt, 0, call);
      return done ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_set_buffer_bytes(type: number, start: number, length: number, pointer: number, size: number) {
      const call = "proxy_set_buffer_bytes";
      const found = find(call, type);
      if ("missing" in found) return found.missing;
      const data = memory.read(pointer, size, call);
      if (!data) return Result.InvalidMemoryAccess;
      const { body, direction } = found;
      if (!body || !direction || host.context.kind !== "filter") {
        return host.refuse(Result.BadArgument, `${call}: buffer ${type} cannot be written`);
      }
      const total = body.bytes.length;
      if (start === 0 && length === 0) body.bytes = Buffer.concat([data, body.bytes]);
      else if (start === 0 && length >= total) body.bytes = data;
      else if (start >= total) body.bytes = Buffer.concat([body.bytes, data]);
      else {
        return host.refuse(
          Result.BadArgument,
          `${call}: [${start}, ${start} + ${length}) of ${total} bytes; Envoy only prepends, appends or replaces all`,
        );
      }
      host.context.stream.bodyModified(direction);
      return Result.Ok;
    },
  };
}
