// The emulator's public names. README.md shows how they are used.
export { ConfigurationRefused, HostViolation, VmFailed } from "./codes.ts";
export type { RequestInput, ResponseInput } from "./message.ts";
export { Process, type ProcessOptions } from "./process.ts";
export { Root, type RootOptions } from "./root.ts";
export { type LocalResponse, type Outcome, type ResponseOutcome, Stream, type StreamOptions } from "./stream.ts";
