// A VM as Envoy runs it on one worker: its exports, the running context, and its failure, which is final.
import { INITIALIZE_ALLOWED, importsOf } from "./calls/table.ts";
import { HostViolation, type LogLine, logLine, VmFailed } from "./codes.ts";
import type { Context, EnvoyProcess, Host, RootContext } from "./contexts.ts";
import { GuestMemory, type MemoryOwner } from "./guest-memory.ts";
import type { Metric } from "./metric-store.ts";

export interface VmOptions {
  vmId?: string;
  vmConfiguration?: string;
  environment?: Record<string, string>;
}

/** A root context that ends when its VM closes. */
type Closable = RootContext & { close(): void };

/** The host calls that the guest's allocator may make. Envoy traps on any other host call. */
const ALLOCATE_ALLOWED = new Set(["proxy_log", "fd_write", "clock_time_get"]);

export class Vm implements Host, MemoryOwner {
  readonly process: EnvoyProcess;
  readonly vmId: string;
  readonly vmConfiguration: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly memory: GuestMemory;
  readonly logs: LogLine[] = [];
  readonly roots: Closable[] = [];
  readonly contexts = new Map<number, Context>();
  readonly metricIds = new Map<number, Metric>();
  readonly unknownProperties = new Set<string>();
  /** Number of host calls since the VM started, by name. */
  readonly hostCalls = new Map<string, number>();
  effective: Context | undefined;

  readonly #exports: Record<string, unknown>;
  #current: Context | undefined;
  /** Name of the running export. Error messages have the name. */
  #phase = "";
  #depth = 0;
  #failure: Error | undefined;
  #afterCall: (() => void)[] = [];
  #allowed: ReadonlySet<string> | undefined;
  #nextContext = 1;

  /** Instantiates the module and runs `_initialize`. The VM has no root context yet. */
  constructor(process: EnvoyProcess, source: Uint8Array | WebAssembly.Module, options: VmOptions) {
    this.process = process;
    this.vmId = options.vmId ?? "";
    this.vmConfiguration = options.vmConfiguration ?? "";
    this.environment = options.environment ?? {};
    this.memory = new GuestMemory(this);
    const module = source instanceof WebAssembly.Module ? source : new WebAssembly.Module(source);
    checkModule(module);
    this.#exports = new WebAssembly.Instance(module, importsOf(this, module)).exports;
    this.#allowed = INITIALIZE_ALLOWED;
    if (this.#has("_initialize")) {
      this.#invoke("_initialize", []);
      if (this.#has("main")) this.#invoke("main", [0, 0]);
      else this.#invoke("__main_void", []);
    } else {
      this.#invoke("_start", []);
    }
    this.#allowed = undefined;
  }

  get linearMemory(): WebAssembly.Memory {
    return this.#exports.memory as WebAssembly.Memory;
  }

  memoryBytes(): number {
    return this.memory.byteLength;
  }

  /** Runs `work` and returns the bytes by which the linear memory grew. Wasm memory never shrinks, so growth may be a leak. */
  growthDuring(work: () => void): number {
    const before = this.memoryBytes();
    work();
    return this.memoryBytes() - before;
  }

  /** Whether an export of the guest is running. */
  get running(): boolean {
    return this.#depth > 0;
  }

  register(context: Context): number {
    const id = this.#nextContext++;
    this.contexts.set(id, context);
    return id;
  }

  /** Ends all root contexts and removes the VM from its process. */
  close(): void {
    for (const root of [...this.roots]) root.close();
    this.process.forget(this);
  }

  queueReady(contextId: number, token: number): void {
    const context = this.contexts.get(contextId);
    if (context) this.call(context, "proxy_on_queue_ready", [contextId, token]);
  }

  /** Calls an export of the guest. Returns undefined if the module does not export the callback: Envoy skips it then. */
  call(context: Context, name: string, args: number[]): number | undefined {
    const saved = { current: this.#current, effective: this.effective, phase: this.#phase };
    this.#current = context;
    this.effective = undefined;
    this.#phase = name;
    let result: number | undefined;
    try {
      result = this.#invoke(name, args);
    } finally {
      this.#current = saved.current;
      this.effective = saved.effective;
      this.#phase = saved.phase;
    }
    const actions = this.#afterCall;
    this.#afterCall = [];
    for (const action of actions) action();
    return result;
  }

  afterCall(action: () => void): void {
    this.#afterCall.push(action);
  }

  allocate(bytes: number): number {
    const saved = { allowed: this.#allowed, phase: this.#phase };
    this.#allowed = ALLOCATE_ALLOWED;
    this.#phase = "proxy_on_memory_allocate";
    if (this.#current?.kind === "filter") this.#current.stream.allocations++;
    try {
      const name = this.#has("malloc") ? "malloc" : "proxy_on_memory_allocate";
      return (this.#invoke(name, [bytes]) ?? 0) >>> 0;
    } finally {
      this.#allowed = saved.allowed;
      this.#phase = saved.phase;
    }
  }

  get context(): Context {
    const effective = this.effective;
    if (effective && this.contexts.get(effective.id) === effective) return effective;
    if (!this.#current) throw new Error(`${this.#phase} runs outside any context`);
    return this.#current;
  }

  count(name: string): void {
    if (this.#allowed && !this.#allowed.has(name)) {
      throw new HostViolation(
        `${name} during ${this.#phase || "initialization"}: Envoy traps with restricted_callback`,
      );
    }
    this.hostCalls.set(name, (this.hostCalls.get(name) ?? 0) + 1);
    if (this.#current?.kind === "filter") {
      const calls = this.#current.stream.hostCalls;
      calls.set(name, (calls.get(name) ?? 0) + 1);
    }
  }

  refuse(result: number, sentence: string): number {
    const text = this.#phase ? `${sentence} (in ${this.#phase})` : sentence;
    this.process.violations.push(text);
    if (this.process.strict) throw new HostViolation(text);
    return result;
  }

  log(level: number, text: string): void {
    this.logs.push(logLine(level, text));
  }

  /** Throws when the VM trapped, broke a rule or logged at level error or above. */
  assertHealthy(): void {
    if (this.#failure) throw this.#failure;
    const bad = this.logs.filter((line) => line.level === "error" || line.level === "critical");
    if (bad.length > 0) throw new Error(`the VM logged: ${bad.map((line) => line.text).join("; ")}`);
  }

  #has(name: string): boolean {
    return this.#exports[name] !== undefined;
  }

  #invoke(name: string, args: number[]): number | undefined {
    if (this.#failure) throw new VmFailed(`${name}: the VM failed before: ${this.#failure.message}`);
    const exported = this.#exports[name];
    if (exported === undefined) return undefined;
    this.#depth++;
    try {
      return (exported as (...values: number[]) => number | undefined)(...args);
    } catch (error) {
      this.#failure ??= this.#failureOf(name, error as Error);
      throw this.#failure;
    } finally {
      this.#depth--;
    }
  }

  #failureOf(name: string, error: Error): Error {
    if (error instanceof HostViolation) return error;
    const last = this.logs.at(-1);
    return new VmFailed(`${name} trapped: ${error.message}${last ? `; last log: ${last.text}` : ""}`, { cause: error });
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
