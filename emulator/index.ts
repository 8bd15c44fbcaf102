// The emulator's public names. README.md shows how they are used.
export { ConfigurationRefused, VmFailed } from "./codes.ts";
export type { HeaderMap } from "./headers.ts";
export type { RequestInput } from "./message.ts";
export { Process, type ProcessOptions } from "./process.ts";
export { Root, type RootOptions } from "./root.ts";
export { type Outcome, Stream, type StreamOptions } from "./stream.ts";
