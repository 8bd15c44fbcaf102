// Properties, local responses, the going on of streams, contexts, foreign functions.
import { Result } from "./codes.ts";
import { headerFault, parsePairs } from "./headers.ts";
import type { HostFunctions } from "./imports.ts";
import { property, reservedProperty } from "./properties.ts";
import { Filter } from "./stream.ts";
import type { Vm } from "./vm.ts";

const NOT_EMULATED = (
  "proxy_http_call proxy_grpc_call proxy_grpc_stream proxy_grpc_send proxy_grpc_cancel proxy_grpc_close " +
  "proxy_get_status proxy_done"
).split(" ");

export function streamImports(vm: Vm): HostFunctions {
  const { guest } = vm;
  const functions: HostFunctions = {
    proxy_get_property(path: number, length: number, valueAt: number, lengthAt: number) {
      const text = guest.text(path, length, "proxy_get_property");
      if (text === undefined) return Result.InvalidMemoryAccess;
      const value = property(vm.context, text);
      if (value) return guest.give(value, valueAt, lengthAt, "proxy_get_property");
      vm.unknownProperties.add(text.replaceAll("\0", "."));
      return Result.NotFound;
    },
    proxy_set_property(path: number, length: number, value: number, valueLength: number) {
      const call = "proxy_set_property";
      const key = guest.text(path, length, call);
      const bytes = guest.read(value, valueLength, call);
      if (key === undefined || !bytes) return Result.InvalidMemoryAccess;
      const { context } = vm;
      if (!(context instanceof Filter)) {
        return vm.refuse(Result.NotFound, `${call}: ${key}: a root context has no stream to set it on`);
      }
      if (context.stream.phase !== "open") vm.refuse(Result.Ok, `${call}: ${key}: the stream is over`);
      if (key === "" || key.includes("\0") || reservedProperty(key)) {
        vm.refuse(Result.Ok, `${call}: ${JSON.stringify(key)} can be written but never read back`);
      }
      context.stream.filterState.set(key, bytes);
      return Result.Ok;
    },
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
      const reason = guest.text(details, detailsLength, call);
      const bytes = guest.read(body, bodyLength, call);
      const list = guest.read(headers, headersLength, call);
      if (reason === undefined || !bytes || !list) return Result.InvalidMemoryAccess;
      const { context } = vm;
      if (!(context instanceof Filter)) {
        return vm.refuse(Result.Ok, `${call}: a root context has no stream to answer`);
      }
      const { stream } = context;
      if (stream.phase !== "open") return vm.refuse(Result.Ok, `${call}: the stream is over`);
      if (stream.replied) return vm.refuse(Result.Ok, `${call}: the stream was already answered`);
      if (context.response.visibleHeaders || context.response.headersPassed || stream.responseStarted) {
        return vm.refuse(Result.Ok, `${call}: the response has begun, Envoy resets the stream`);
      }
      if (status < 200 || status > 599) return vm.refuse(Result.Ok, `${call}: status ${status}; expected 200 to 599`);
      const pairs = parsePairs(list);
      if (!pairs) vm.refuse(Result.Ok, `${call}: the header list is malformed, Envoy drops it without a word`);
      for (const [name, value] of pairs ?? []) {
        const fault = headerFault(name, value);
        if (fault) vm.refuse(Result.Ok, `${call}: ${fault}`);
      }
      // Envoy replaces white space in details, which go to the access log.
      stream.localReply(status, reason.replaceAll(/\s/g, "_"), pairs ?? [], bytes);
      return Result.Ok;
    },
    proxy_continue_stream(type: number) {
      const call = "proxy_continue_stream";
      const { context } = vm;
      if (type > 1) return vm.refuse(Result.BadArgument, `${call}: stream type ${type}; expected 0 or 1`);
      if (!(context instanceof Filter)) return vm.refuse(Result.Ok, `${call}: a root context has no stream`);
      const half = type === 0 ? context.request : context.response;
      if (context.stream.phase !== "open") return vm.refuse(Result.Ok, `${call}: the stream is over`);
      if (type === 0 && context.stream.replied) {
        return vm.refuse(Result.Ok, `${call}: the stream was answered by a local response`);
      }
      if (half.inCallback) {
        return vm.refuse(Result.Ok, `${call}: inside the stream's own callback; return Continue instead`);
      }
      if (!half.held) return vm.refuse(Result.Ok, `${call}: the stream is not held`);
      // Envoy drops the request's pointers here, for the response's direction too.
      context.request.visibleHeaders = undefined;
      context.request.visibleTrailers = undefined;
      vm.afterCall(() => context.stream.event(() => half.resume()));
      return Result.Ok;
    },
    proxy_close_stream(type: number) {
      const { context } = vm;
      if (type > 1 || !(context instanceof Filter) || context.stream.phase !== "open") {
        return vm.refuse(Result.BadArgument, `proxy_close_stream: there is no stream ${type} to close`);
      }
      vm.afterCall(() => context.stream.abort());
      return Result.Ok;
    },
    proxy_set_effective_context(id: number) {
      const context = vm.contexts.get(id);
      if (!context) return Result.BadArgument;
      vm.effective = context;
      return Result.Ok;
    },
    proxy_set_tick_period_milliseconds(milliseconds: number) {
      const { context } = vm;
      (context instanceof Filter ? context.root : context).setTickPeriod(milliseconds);
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
      const text = guest.text(name, nameLength, call);
      const bytes = guest.read(args, argsLength, call);
      if (text === undefined || !bytes) return Result.InvalidMemoryAccess;
      if (text !== "clear_route_cache") return vm.refuse(Result.NotFound, `${call}: ${text} is not emulated`);
      if (!(vm.context instanceof Filter)) return vm.refuse(Result.Ok, `${call}: ${text}: no stream`);
      vm.context.stream.routeClears++;
      if (at !== 0 && !guest.setWord(at, 0, call)) return Result.InvalidMemoryAccess;
      if (lengthAt !== 0 && !guest.setWord(lengthAt, 0, call)) return Result.InvalidMemoryAccess;
      return Result.Ok;
    },
  };
  for (const name of NOT_EMULATED) {
    functions[name] = () => vm.refuse(Result.Unimplemented, `${name}: this emulator does not have it`);
  }
  return functions;
}
