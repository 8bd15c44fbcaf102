type EnvoyErrorCode =
  | "ENVOY_NOT_FOUND"
  | "ENVOY_BAD_BINARY"
  | "ENVOY_UNKNOWN_VERSION"
  | "ENVOY_CHECKSUM"
  | "ENVOY_FETCH"
  | "ENVOY_START"
  | "ENVOY_CONFIG";

export class EnvoyError extends Error {
  readonly code: EnvoyErrorCode;

  constructor(code: EnvoyErrorCode, message: string) {
    super(message);
    this.name = "EnvoyError";
    this.code = code;
  }
}
