// What a host call can see and change: contexts, streams, the process. These are interfaces; root.ts, filter.ts, half.ts,
// stream.ts, vm.ts and process.ts implement them. So host calls import no class that calls the guest.
import type { GuestMemory } from "./guest-memory.ts";
import type { HeaderMap } from "./headers.ts";
import type { Metric, MetricStore } from "./metric-store.ts";
import type { SharedData } from "./shared-data.ts";
import type { SharedQueues } from "./shared-queues.ts";

export type Direction = "request" | "response";

/** Body bytes that a callback may read and replace. */
export interface Body {
  bytes: Buffer;
}

/** Text is UTF-8, numbers are int64 little-endian, as Envoy serialises CEL values. */
export type PropertyValue = string | Uint8Array | number | bigint;

/** A configured filter in one VM. */
export interface RootContext {
  readonly kind: "root";
  readonly id: number;
  readonly rootId: string;
  /** The plugin's name. */
  readonly name: string;
  readonly configuration: string;
  /** Whether the guest may read PLUGIN_CONFIGURATION: only while the context is created and during configure. */
  readonly configurationReadable: boolean;
  /** Milliseconds between ticks; 0: the guest wants no ticks. */
  readonly tickPeriod: number;
  /** When the next tick is due, nanoseconds since the Unix epoch; undefined: the guest wants no ticks. */
  readonly tickDue: bigint | undefined;
  setTickPeriod(milliseconds: number): void;
  tick(): void;
}

/** One direction of a stream through one filter. */
export interface HalfContext {
  /** Headers that the guest may reach; undefined after Envoy's Context has dropped its pointer to them. */
  visibleHeaders: HeaderMap | undefined;
  visibleTrailers: HeaderMap | undefined;
  readonly headersPassed: boolean;
  /** Whether a callback of this half is on the guest's stack. */
  readonly inCallback: boolean;
  /** Whether the guest stopped the iteration and has not continued it. */
  readonly stopped: boolean;
  /** Returns the bytes that the buffer of this direction has now; undefined outside the body callback. */
  body(): Body | undefined;
  resume(): void;
}

export interface StreamContext {
  readonly phase: "open" | "logging" | "finished";
  readonly requestHeaders: HeaderMap | undefined;
  readonly responseHeaders: HeaderMap | undefined;
  readonly responseTrailers: HeaderMap | undefined;
  /** Properties that the test set, by dotted path. */
  readonly properties: ReadonlyMap<string, PropertyValue>;
  readonly filterState: Map<string, Buffer>;
  /** Number of host calls on this stream, by name of the call. */
  readonly hostCalls: Map<string, number>;
  /** Number of calls of the guest's allocator on this stream. */
  allocations: number;
  /** Number of header writes that made Envoy choose the route again. */
  routeClears: number;
  /** Whether a local reply was sent, or waits for the running callback to return. */
  readonly replied: boolean;
  /** Whether response headers have reached the client. */
  readonly responseStarted: boolean;
  bodyModified(direction: Direction): void;
  localReply(status: number, details: string, headers: [string, Uint8Array][], body: Buffer): void;
  /** Runs `work` as one event of Envoy's loop. */
  event(work: () => void): void;
  abort(): void;
}

/** One filter's context on one stream. */
export interface FilterContext {
  readonly kind: "filter";
  readonly id: number;
  readonly root: RootContext;
  readonly stream: StreamContext;
  readonly request: HalfContext;
  readonly response: HalfContext;
}

export type Context = RootContext | FilterContext;

/** One Envoy process, with the state that the VMs of all workers share. */
export interface EnvoyProcess {
  /** Nanoseconds since the Unix epoch. */
  readonly now: bigint;
  readonly started: bigint;
  readonly random: (bytes: number) => Uint8Array;
  readonly strict: boolean;
  /** One sentence for each rule that guests broke. A strict process throws the first sentence as well. */
  readonly violations: string[];
  readonly shared: SharedData;
  readonly queues: SharedQueues;
  readonly metrics: MetricStore;
  /** Wakes the owners of queues. Called when an event of some worker has ended. */
  afterEvent(): void;
  /** Called when a VM was closed. */
  forget(vm: { readonly vmId: string }): void;
}

/** A VM, with the members that host calls use. */
export interface Host {
  readonly vmId: string;
  readonly vmConfiguration: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly process: EnvoyProcess;
  readonly memory: GuestMemory;
  readonly contexts: ReadonlyMap<number, Context>;
  readonly metricIds: Map<number, Metric>;
  /** Property paths that the guest read although they do not exist. */
  readonly unknownProperties: Set<string>;
  /** The context that a host call acts on. */
  readonly context: Context;
  /** The context that proxy_set_effective_context has set. It counts until the running callback returns. */
  effective: Context | undefined;
  /** Counts a host call. Throws where Envoy traps: some calls are restricted during initialization and allocation. */
  count(name: string): void;
  /** Notes a broken rule. A strict process throws; a lenient process returns `result`, the code that Envoy returns. */
  refuse(result: number, sentence: string): number;
  log(level: number, text: string): void;
  /** Runs `action` when the guest has returned. */
  afterCall(action: () => void): void;
  queueReady(contextId: number, token: number): void;
}
