// Host calls for local replies, continuing and closing streams, the effective context, ticks, and foreign functions.
import { Result } from "../codes.ts";
import type { Host } from "../contexts.ts";
import { headerFault, parsePairs } from "../headers.ts";
import type { HostFunctions } from "./function.ts";

const NOT_EMULATED = (
  "proxy_http_call proxy_grpc_call proxy_grpc_stream proxy_grpc_send proxy_grpc_cancel proxy_grpc_close " +
  "proxy_get_status proxy_done"
).split(" ");

export function streamCalls(host: Host): HostFunctions {
  const { memory } = host;
  const functions: HostFunctions = {
    proxy_send_local_response(
      status: number,
      details: number,
      detailsLength: number,
      body: number,
      bodyLength: number,
      headers: number,
      headersLength: number,
    ) {
      const call = "proxy_send_local_response";
      const reason = memory.text(details, detailsLength, call);
      const bytes = memory.read(body, bodyLength, call);
      const list = memory.read(headers, headersLength, call);
      if (reason === undefined || !bytes || !list) return Result.InvalidMemoryAccess;
      const { context } = host;
      if (context.kind !== "filter") {
        return host.refuse(Result.Ok, `${call}: a root context has no stream to answer`);
      }
      const { stream } = context;
      if (stream.phase !== "open") return host.refuse(Result.Ok, `${call}: the stream is over`);
      if (stream.replied) return host.refuse(Result.Ok, `${call}: the stream was already answered`);
      if (context.response.visibleHeaders || context.response.headersPassed || stream.responseStarted) {
        return host.refuse(Result.Ok, `${call}: the response has begun, Envoy resets the stream`);
      }
      if (status < 200 || status > 599) return host.refuse(Result.Ok, `${call}: status ${status}; expected 200 to 599`);
      const pairs = parsePairs(list);
      if (!pairs) host.refuse(Result.Ok, `${call}: the header list is malformed, Envoy drops it and reports nothing`);
      for (const [name, value] of pairs ?? []) {
        const fault = headerFault(name, value);
        if (fault) host.refuse(Result.Ok, `${call}: ${fault}`);
      }
      // Envoy replaces white space in the details of a response code, because they go to the access log.
      stream.localReply(status, reason.replaceAll(/\s/g, "_"), pairs ?? [], bytes);
      return Result.Ok;
    },
    proxy_continue_stream(type: number) {
      const call = "proxy_continue_stream";
      const { context } = host;
      if (type > 1) return host.refuse(Result.BadArgument, `${call}: stream type ${type}; expected 0 or 1`);
      if (context.kind !== "filter") return host.refuse(Result.Ok, `${call}: a root context has no stream`);
      const half = type === 0 ? context.request : context.response;
      if (context.stream.phase !== "open") return host.refuse(Result.Ok, `${call}: the stream is over`);
      if (type === 0 && context.stream.replied) {
        return host.refuse(Result.Ok, `${call}: the stream was answered by a local response`);
      }
      if (half.inCallback) {
        return host.refuse(Result.Ok, `${call}: inside the stream's own callback; return Continue instead`);
      }
      if (!half.stopped) return host.refuse(Result.Ok, `${call}: the stream is not stopped`);
      // Envoy drops its pointers to the request's headers here, even if the guest continues the response.
      context.request.visibleHeaders = undefined;
      context.request.visibleTrailers = undefined;
      host.afterCall(() => context.stream.event(() => half.resume()));
      return Result.Ok;
    },
    proxy_close_stream(type: number) {
      const { context } = host;
      if (type > 1 || context.kind !== "filter" || context.stream.phase !== "open") {
        return host.refuse(Result.BadArgument, `proxy_close_stream: there is no stream ${type} to close`);
      }
      host.afterCall(() => context.stream.abort());
      return Result.Ok;
    },
    proxy_set_effective_context(id: number) {
      const context = host.contexts.get(id);
      if (!context) return Result.BadArgument;
      host.effective = context;
      return Result.Ok;
    },
    proxy_set_tick_period_milliseconds(milliseconds: number) {
      const { context } = host;
      (context.kind === "filter" ? context.root : context).setTickPeriod(milliseconds);
      return Result.Ok;
    },
    proxy_call_foreign_function(
      name: number,
      nameLength: number,
      args: number,
      argsLength: number,
      at: number,
      lengthAt: number,
    ) {
      const call = "proxy_call_foreign_function";
      const text = memory.text(name, nameLength, call);
      const bytes = memory.read(args, argsLength, call);
      if (text === undefined || !bytes) return Result.InvalidMemoryAccess;
      if (text !== "clear_route_cache") return host.refuse(Result.NotFound, `${call}: ${text} is not emulated`);
      if (host.context.kind !== "filter") return host.refuse(Result.Ok, `${call}: ${text}: no stream`);
      host.context.stream.routeClears++;
      if (at !== 0 && !memory.setWord(at, 0, call)) return Result.InvalidMemoryAccess;
      if (lengthAt !== 0 && !memory.setWord(lengthAt, 0, call)) return Result.InvalidMemoryAccess;
      return Result.Ok;
    },
  };
  for (const name of NOT_EMULATED) {
    functions[name] = () => host.refuse(Result.Unimplemented, `${name}: the emulator does not have this call`);
  }
  return functions;
}
