// The HTTP filters and access logs of the plain-Envoy configuration.

import { SECRET_ENV } from "../protocol/constants.ts";
import type { Json, JsonObject } from "./json.ts";

export interface WasmOptions {
  /** Path of the module, as Envoy sees it. */
  file: string;
  /** The filter's configuration, which Envoy gets as JSON text. */
  configuration?: Json;
  /** Shared secret of snapshots. The VM gets it as PILOTFISH_SECRET, and the configuration contains it in clear. */
  secret?: string;
  /** Further environment of the VM. `hostEnvironment` names variables that are copied from Envoy's environment. */
  environment?: Readonly<Record<string, string>>;
  hostEnvironment?: readonly string[];
  /** Listeners with the same vm_id share a VM in each worker, and thus the snapshot. */
  vmId?: string;
  name?: string;
  rootId?: string;
  failurePolicy?: "FAIL_RELOAD" | "FAIL_CLOSED" | "FAIL_OPEN";
  /** False is for set-ups that cannot set the flag. Without the flag, StopIteration also stops the body. */
  allowOnHeadersStopIteration?: boolean;
}

export interface AccessLogOptions {
  /** A file, as Envoy sees it, or "stdout". */
  path: string;
  /** One line of text, or fields of a JSON line: `{ model: "%FILTER_STATE(wasm.model:PLAIN)%" }`. */
  format: string | Readonly<Record<string, string>>;
}

export function wasmFilter(options: WasmOptions): JsonObject {
  const environment: JsonObject = {};
  const values: Record<string, string> = { ...options.environment };
  if (options.secret !== undefined) values[SECRET_ENV] = options.secret;
  if (Object.keys(values).length > 0) environment.key_values = values;
  if (options.hostEnvironment?.length) environment.host_env_keys = [...options.hostEnvironment];

  const vm: JsonObject = {
    vm_id: options.vmId ?? "pilotfish",
    runtime: "envoy.wasm.runtime.v8",
    code: { local: { filename: options.file } },
  };
  if (Object.keys(environment).length > 0) vm.environment_variables = environment;

  const config: JsonObject = {
    name: options.name ?? "pilotfish",
    root_id: options.rootId ?? "pilotfish",
    // A trap ends the worker's VM. Envoy rebuilds it within about a second.
    failure_policy: options.failurePolicy ?? "FAIL_RELOAD",
    // Without the flag a request hangs when the filter stops its headers, because Envoy then never reads the body.
    allow_on_headers_stop_iteration: options.allowOnHeadersStopIteration ?? true,
  };
  if (options.configuration !== undefined) {
    config.configuration = {
      "@type": "type.googleapis.com/google.protobuf.StringValue",
      value: JSON.stringify(options.configuration),
    };
  }
  config.vm_config = vm;
  return {
    name: "envoy.filters.http.wasm",
    typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", config },
  };
}

export function routerFilter(): JsonObject {
  return {
    name: "envoy.filters.http.router",
    typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
  };
}

/** A Lua filter from source text, as benches and comparisons use it. */
export function luaFilter(source: string): JsonObject {
  return {
    name: "envoy.filters.http.lua",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
      default_source_code: { inline_string: source },
    },
  };
}

export function accessLogs(options: AccessLogOptions | undefined): Json[] {
  if (!options) return [];
  const log_format: JsonObject =
    typeof options.format === "string"
      ? { text_format_source: { inline_string: `${options.format}\n` } }
      : { json_format: { ...options.format } };
  const package_ = "type.googleapis.com/envoy.extensions.access_loggers";
  if (options.path === "stdout") {
    return [
      {
        name: "envoy.access_loggers.stdout",
        typed_config: { "@type": `${package_}.stream.v3.StdoutAccessLog`, log_format },
      },
    ];
  }
  return [
    {
      name: "envoy.access_loggers.file",
      typed_config: { "@type": `${package_}.file.v3.FileAccessLog`, path: options.path, log_format },
    },
  ];
}
