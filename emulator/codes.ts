// Numbers of the proxy-wasm ABI 0.2.1, and the errors that show a guest's mistakes to the test.

export const Result = {
  Ok: 0,
  NotFound: 1,
  BadArgument: 2,
  InvalidMemoryAccess: 6,
  Empty: 7,
  CasMismatch: 8,
  Unimplemented: 12,
} as const;

export const MapType = { RequestHeaders: 0, RequestTrailers: 1, ResponseHeaders: 2, ResponseTrailers: 3 } as const;
export const MAX_MAP_TYPE = 7;

export const BufferType = { RequestBody: 0, ResponseBody: 1, VmConfiguration: 6, PluginConfiguration: 7 } as const;
export const MAX_BUFFER_TYPE = 8;

export const HeadersStatus = { Continue: 0, Stop: 1, StopAllAndBuffer: 3, StopAllAndWatermark: 4 } as const;
export const DataStatus = { Continue: 0, StopAndBuffer: 1, StopAndWatermark: 2, StopNoBuffer: 3 } as const;

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "critical"] as const;

export interface LogLine {
  level: (typeof LOG_LEVELS)[number];
  text: string;
}

export function logLine(level: number, text: string): LogLine {
  return { level: LOG_LEVELS[level] ?? "critical", text };
}

/** The guest did something that a real Envoy refuses or ignores, or that has undefined behaviour there. */
export class HostViolation extends Error {
  override name = "HostViolation";
}

/** The VM has failed: it trapped or broke a rule. Envoy responds 503 from then on. */
export class VmFailed extends Error {
  override name = "VmFailed";
}

/** `proxy_on_vm_start` or `proxy_on_configure` returned false: Envoy refuses the configuration. */
export class ConfigurationRefused extends Error {
  override name = "ConfigurationRefused";
  /** The lines that the VM had logged by then. */
  readonly logs: readonly LogLine[];

  constructor(callback: string, logs: readonly LogLine[]) {
    const text = logs.map((line) => `${line.level}: ${line.text}`).join("; ");
    super(`${callback} returned false${text ? `; log: ${text}` : ""}`);
    this.logs = [...logs];
  }
}
