// The imports that Envoy registers for a module of ABI 0.2.1.
import { HostViolation, Result } from "../codes.ts";
import type { Host } from "../contexts.ts";
import { bufferCalls } from "./buffers.ts";
import type { HostFunction, HostFunctions } from "./function.ts";
import { generalCalls } from "./general.ts";
import { headerMapCalls } from "./header-maps.ts";
import { propertyCalls } from "./properties.ts";
import { sharingCalls } from "./sharing.ts";
import { streamCalls } from "./stream-control.ts";
import { wasiCalls } from "./wasi.ts";

/** The host calls that Envoy allows before a module's first context exists. */
export const INITIALIZE_ALLOWED = new Set(
  (
    "proxy_log proxy_get_log_level fd_write args_sizes_get args_get environ_sizes_get environ_get clock_time_get " +
    "clock_res_get random_get fd_fdstat_get"
  ).split(" "),
);

/**
 * Returns a function for each import of the module. If Envoy does not offer an import, a strict process throws, since the
 * instantiation would fail in Envoy. In a lenient process the function returns Unimplemented.
 */
export function importsOf(host: Host, module: WebAssembly.Module): WebAssembly.Imports {
  const wasi = wasiCalls(host);
  const known: Record<string, HostFunctions> = {
    env: {
      ...generalCalls(host),
      ...sharingCalls(host),
      ...headerMapCalls(host),
      ...bufferCalls(host),
      ...propertyCalls(host),
      ...streamCalls(host),
    },
    wasi_snapshot_preview1: wasi,
    wasi_unstable: wasi,
  };
  const given: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const sentence = `the module imports ${from}.${name}, which Envoy does not offer to ABI 0.2.1`;
    if (kind !== "function") throw new HostViolation(sentence);
    const implementation = known[from]?.[name] ?? missing(host, sentence);
    given[from] ??= {};
    given[from][name] = (...args: unknown[]) => {
      host.count(name);
      return implementation(...args.map((arg) => (typeof arg === "number" ? arg >>> 0 : arg)));
    };
  }
  return given;
}

function missing(host: Host, sentence: string): HostFunction {
  host.refuse(Result.Unimplemented, sentence);
  return () => Result.Unimplemented;
}
