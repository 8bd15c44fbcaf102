// A VM as Envoy runs it on one worker: contexts, callbacks in Envoy's order, failure that lasts.
import { HostViolation, LOG_LEVELS, type LogLevel, VmFailed } from "./codes.ts";
import { Guest } from "./guest.ts";
import { INITIALIZE_ALLOWED, imports } from "./imports.ts";
import type { Metric, Process } from "./process.ts";
import { Root, type RootOptions } from "./root.ts";
import { Filter } from "./stream.ts";

export { ConfigurationRefused, HostViolation, VmFailed } from "./codes.ts";
export { HeaderMap } from "./headers.ts";
export { Process, type ProcessOptions } from "./process.ts";
export { Root, type RootOptions } from "./root.ts";
export {
  type LocalResponse,
  type Outcome,
  type RequestInput,
  type ResponseInput,
  type ResponseOutcome,
  Stream,
  type StreamOptions,
} from "./stream.ts";

export interface VmOptions {
  vmId?: string;
  vmConfiguration?: string;
  environment?: Record<string, string>;
}

export interface LogLine {
  level: LogLevel;
  text: string;
}

/** The module calls these during an allocation at most; anything else traps in Envoy. */
const ALLOCATE_ALLOWED = new Set(["proxy_log", "fd_write", "clock_time_get"]);

export class Vm {
  readonly process: Process;
  readonly vmId: string;
  readonly vmConfiguration: string;
  readonly environment: Record<string, string>;
  readonly guest: Guest;
  readonly logs: LogLine[] = [];
  readonly roots: Root[] = [];
  readonly contexts = new Map<number, Root | Filter>();
  readonly metricIds = new Map<number, Metric>();
  /** Property paths that were asked for and do not exist. */
  readonly unknownProperties = new Set<string>();
  /** Host calls since the VM started, by name. */
  readonly hostCalls = new Map<string, number>();

  current: Root | Filter | undefined;
  effective: Root | Filter | undefined;
  /** The export that runs, for messages. */
  phase = "";
  running = 0;
  failure: Error | undefined;

  readonly #exports: Record<string, unknown>;
  #afterCall: (() => void)[] = [];
  #allowed: ReadonlySet<string> | undefined;
  #nextContext = 1;

  constructor(process: Process, source: Uint8Array | WebAssembly.Module, options: VmOptions) {
    this.process = process;
    this.vmId = options.vmId ?? "";
    this.vmConfiguration = options.vmConfiguration ?? "";
    this.environment = options.environment ?? {};
    this.guest = new Guest(this);
    const module = source instanceof WebAssembly.Module ? source : new WebAssembly.Module(source);
    checkModule(module);
    this.#exports = new WebAssembly.Instance(module, imports(this, module)).exports;
    this.#allowed = INITIALIZE_ALLOWED;
    if (this.has("_initialize")) {
      this.#invoke("_initialize", []);
      if (this.has("main")) this.#invoke("main", [0, 0]);
      else this.#invoke("__main_void", []);
    } else {
      this.#invoke("_start", []);
    }
    this.#allowed = undefined;
  }

  get memory(): WebAssembly.Memory {
    const { memory } = this.#exports;
    return memory as WebAssembly.Memory;
  }

  memoryBytes(): number {
    return this.memory.buffer.byteLength;
  }

  /** Bytes by which the linear memory grew during `work`. Wasm memory never shrinks, so this is 0 or a leak's start. */
  growthDuring(work: () => void): number {
    const before = this.memoryBytes();
    work();
    return this.memoryBytes() - before;
  }

  createRoot(options: RootOptions = {}): Root {
    return new Root(this, options);
  }

  register(context: Root | Filter): number {
    const id = this.#nextContext++;
    this.contexts.set(id, context);
    return id;
  }

  /** Ends all root contexts and takes the VM from its process. */
  close(): void {
    for (const root of [...this.roots]) root.close();
    this.process.forget(this);
  }

  queueReady(contextId: number, token: number): void {
    const context = this.contexts.get(contextId);
    if (context) this.call(context, "proxy_on_queue_ready", [contextId, token]);
  }

  has(name: string): boolean {
    return this.#exports[name] !== undefined;
  }

  /** Undefined when the module does not export it, as Envoy skips it. */
  call(context: Root | Filter, name: string, args: number[]): number | undefined {
    const saved = { current: this.current, effective: this.effective, phase: this.phase };
    this.current = context;
    this.effective = undefined;
    this.phase = name;
    let result: number | undefined;
    try {
      result = this.#invoke(name, args);
    } finally {
      this.current = saved.current;
      this.effective = saved.effective;
      this.phase = saved.phase;
    }
    const actions = this.#afterCall;
    this.#afterCall = [];
    for (const action of actions) action();
    return result;
  }

  /** What Envoy puts off until the guest has returned. */
  afterCall(action: () => void): void {
    this.#afterCall.push(action);
  }

  allocate(bytes: number): number {
    const saved = { allowed: this.#allowed, phase: this.phase };
    this.#allowed = ALLOCATE_ALLOWED;
    this.phase = "proxy_on_memory_allocate";
    if (this.current instanceof Filter) this.current.stream.allocations++;
    try {
      const name = this.has("malloc") ? "malloc" : "proxy_on_memory_allocate";
      return (this.#invoke(name, [bytes]) ?? 0) >>> 0;
    } finally {
      this.#allowed = saved.allowed;
      this.phase = saved.phase;
    }
  }

  /** The context that a host call acts on. */
  get context(): Root | Filter {
    const effective = this.effective;
    if (effective && this.contexts.get(effective.id) === effective) return effective;
    if (!this.current) throw new Error(`${this.phase} runs outside any context`);
    return this.current;
  }

  count(name: string): void {
    if (this.#allowed && !this.#allowed.has(name)) {
      throw new HostViolation(`${name} during ${this.phase || "initialization"}: Envoy traps with restricted_callback`);
    }
    this.hostCalls.set(name, (this.hostCalls.get(name) ?? 0) + 1);
    if (this.current instanceof Filter) {
      const calls = this.current.stream.hostCalls;
      calls.set(name, (calls.get(name) ?? 0) + 1);
    }
  }

  /** Fails the test, or, where the process is lenient, notes the sentence and lets Envoy's answer through. */
  refuse(result: number, sentence: string): number {
    const text = this.phase ? `${sentence} (in ${this.phase})` : sentence;
    this.process.violations.push(text);
    if (this.process.strict) throw new HostViolation(text);
    return result;
  }

  log(level: number, text: string): void {
    this.logs.push({ level: LOG_LEVELS[level] ?? "critical", text });
  }

  /** Throws when the VM trapped, broke a rule or logged at level error or above. */
  assertHealthy(): void {
    if (this.failure) throw this.failure;
    const bad = this.logs.filter((line) => line.level === "error" || line.level === "critical");
    if (bad.length > 0) throw new Error(`the VM logged: ${bad.map((line) => line.text).join("; ")}`);
  }

  #invoke(name: string, args: number[]): number | undefined {
    if (this.failure) throw new VmFailed(`${name}: the VM failed before: ${this.failure.message}`);
    const exported = this.#exports[name];
    if (exported === undefined) return undefined;
    this.running++;
    try {
      return (exported as (...values: number[]) => number | undefined)(...args);
    } catch (error) {
      const last = this.logs.at(-1);
      this.failure ??=
        error instanceof HostViolation
          ? error
          : new VmFailed(`${name} trapped: ${(error as Error).message}${last ? `; last log: ${last.text}` : ""}`, {
              cause: error,
            });
      throw this.failure;
    } finally {
      this.running--;
    }
  }
}

function checkModule(module: WebAssembly.Module): void {
  const exported = WebAssembly.Module.exports(module);
  const abi = exported.filter((entry) => entry.name.startsWith("proxy_abi_version_")).map((entry) => entry.name);
  if (abi.length !== 1 || abi[0] !== "proxy_abi_version_0_2_1") {
    throw new HostViolation(`the module exports [${abi.join(", ")}]; expected exactly one: proxy_abi_version_0_2_1`);
  }
  if (!exported.some((entry) => entry.name === "memory" && entry.kind === "memory")) {
    throw new HostViolation("the module exports no memory named `memory`");
  }
  if (!exported.some((entry) => entry.name === "malloc" || entry.name === "proxy_on_memory_allocate")) {
    throw new HostViolation("the module exports neither proxy_on_memory_allocate nor malloc");
  }
}

/** A worker has its own VM; the usual test needs one of each. */
export function singleVm(
  process: Process,
  module: Uint8Array | WebAssembly.Module,
  options: VmOptions & RootOptions = {},
): Root {
  return process.startVm(module, options).createRoot(options);
}
