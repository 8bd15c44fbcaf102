// Numbers of the proxy-wasm ABI 0.2.1 and the two ways a test ends when the guest misbehaves.

export const Result = {
  Ok: 0,
  NotFound: 1,
  BadArgument: 2,
  InvalidMemoryAccess: 6,
  Empty: 7,
  CasMismatch: 8,
  InternalFailure: 10,
  Unimplemented: 12,
} as const;

export const MapType = { RequestHeaders: 0, RequestTrailers: 1, ResponseHeaders: 2, ResponseTrailers: 3 } as const;
export const MAX_MAP_TYPE = 7;

export const BufferType = {
  RequestBody: 0,
  ResponseBody: 1,
  VmConfiguration: 6,
  PluginConfiguration: 7,
  CallData: 8,
} as const;
export const MAX_BUFFER_TYPE = 8;

export const HeadersStatus = { Continue: 0, Stop: 1, StopAllAndBuffer: 3, StopAllAndWatermark: 4 } as const;
export const DataStatus = { Continue: 0, StopAndBuffer: 1, StopAndWatermark: 2, StopNoBuffer: 3 } as const;

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "critical"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The guest did what real Envoy refuses, ignores or answers with undefined behaviour. */
export class HostViolation extends Error {
  override name = "HostViolation";
}

/** The VM is dead: it trapped or violated the contract before. Envoy answers 503 from then on. */
export class VmFailed extends Error {
  override name = "VmFailed";
}

/** `proxy_on_vm_start` or `proxy_on_configure` returned false: Envoy refuses the configuration. */
export class ConfigurationRefused extends Error {
  override name = "ConfigurationRefused";
}
