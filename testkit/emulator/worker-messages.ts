// What a worker in a thread of its own (worker-program.ts) and the test (worker-thread.ts) tell each other.

/** What the worker does next. A request has a number that the test chose. */
export type Command =
  /** Sets the worker back: it has no VM, and its clock and its random numbers begin anew. */
  | { do: "renew" }
  /** Starts the worker's VM, also after the VM has died. */
  | { do: "start" }
  /** Sends a chat request, which the filter picks for and sends on. */
  | { do: "pick"; request: number; model: string; prompt: string }
  /** The headers and the first chunk of the response come, from the endpoint that was picked. */
  | { do: "firstByte"; request: number }
  /** The response ends, whole. */
  | { do: "end"; request: number }
  /** The client goes away. */
  | { do: "abort"; request: number }
  /** Moves the worker's clock, and runs the ticks that fall due. */
  | { do: "advance"; milliseconds: number }
  | { do: "push"; snapshot: Uint8Array }
  | { do: "read" };

/** What a worker counts on one endpoint. */
export interface EndpointCounts {
  inFlight: number;
  /** Waiting tokens. */
  waiting: number;
}

export interface Outcome {
  /** pick: the address in the destination header. */
  address?: string;
  /** firstByte, or end without firstByte: the explanation of the pick. */
  explanation?: string;
  /** read: counts by address, of endpoints with requests. */
  counts?: Record<string, EndpointCounts>;
}

/** A host call on shared data. */
export type SharedCall =
  | { kind: "get"; vmId: string; key: string }
  | { kind: "set"; vmId: string; key: string; value: Uint8Array; cas: number };

export type FromWorker =
  | { call: SharedCall }
  | { done: Outcome }
  /** The VM has died, and its streams with it. */
  | { died: true }
  /** The worker did something that a test does not expect. */
  | { failed: string };

export type ToWorker =
  | { command: Command }
  | { found: { value: Uint8Array; cas: number } | undefined }
  | { status: number }
  /** The VM dies in the host call. */
  | { die: true };

export interface WorkerSettings {
  /** Seed of the worker's random numbers. */
  seed: number;
  /** The filter's configuration. */
  configuration: object;
  module: WebAssembly.Module;
}
