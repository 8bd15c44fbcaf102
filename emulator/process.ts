// One Envoy process: what all VMs of all workers share, with the clock and the random source in the test's hand.
import { Result } from "./codes.ts";
import { Vm, type VmOptions } from "./vm.ts";

export interface ProcessOptions {
  /** Nanoseconds since the Unix epoch. */
  now?: bigint;
  random?: (bytes: number) => Uint8Array;
  /** Seed of the default random source. */
  seed?: number;
  /** False: a violation is noted in `violations` and answered as Envoy does, instead of failing the test. */
  strict?: boolean;
  /** False: shared queues wake nobody until `settle()` is called. */
  autoSettle?: boolean;
}

interface Queue {
  vm: Vm;
  contextId: number;
  entries: Buffer[];
}

export type MetricType = "counter" | "gauge" | "histogram";
export interface Metric {
  type: MetricType;
  name: string;
  value: bigint;
  /** What a histogram was given. */
  samples: bigint[];
}

export class Process {
  now: bigint;
  readonly strict: boolean;
  autoSettle: boolean;
  readonly violations: string[] = [];
  readonly vms: Vm[] = [];
  readonly random: (bytes: number) => Uint8Array;
  readonly started: bigint;

  #shared = new Map<string, Map<string, { value: Buffer; cas: number }>>();
  #nextCas = 1;
  #queues = new Map<number, Queue>();
  #queueTokens = new Map<string, number>();
  #metrics = new Map<string, Metric>();
  #wakeups: { token: number; vm: Vm; contextId: number }[] = [];
  #settling = false;

  constructor(options: ProcessOptions = {}) {
    this.now = options.now ?? 1_700_000_000_000_000_000n;
    this.started = this.now;
    this.strict = options.strict ?? true;
    this.autoSettle = options.autoSettle ?? true;
    this.random = options.random ?? seededRandom(options.seed ?? 1);
  }

  /** A worker's VM: instantiated, `_initialize`d, with no root context yet. */
  startVm(module: Uint8Array | WebAssembly.Module, options: VmOptions = {}): Vm {
    const vm = new Vm(this, module, options);
    this.vms.push(vm);
    return vm;
  }

  /** Shared data and queues of a vm_id go with its last VM. */
  forget(vm: Vm): void {
    this.vms.splice(this.vms.indexOf(vm), 1);
    if (this.vms.some((other) => other.vmId === vm.vmId)) return;
    this.#shared.delete(vm.vmId);
    for (const [key, token] of this.#queueTokens) {
      if (!key.startsWith(`${vm.vmId}\0`)) continue;
      this.#queues.delete(token);
      this.#queueTokens.delete(key);
    }
  }

  getShared(vmId: string, key: string): { value: Buffer; cas: number } | undefined {
    return this.#shared.get(vmId)?.get(key);
  }

  /** As Envoy: cas 0 is unconditional, and a key that does not exist accepts any cas. */
  setShared(vmId: string, key: string, value: Uint8Array, cas = 0): number {
    let map = this.#shared.get(vmId);
    if (!map) {
      map = new Map();
      this.#shared.set(vmId, map);
    }
    const found = map.get(key);
    if (found && cas !== 0 && cas !== found.cas) return Result.CasMismatch;
    map.set(key, { value: Buffer.from(value), cas: this.#nextCas++ });
    return Result.Ok;
  }

  sharedKeys(vmId: string): string[] {
    return [...(this.#shared.get(vmId)?.keys() ?? [])];
  }

  /** The last to register is the one that is woken; entries that wait are kept. */
  registerQueue(vm: Vm, name: string, contextId: number): number {
    const key = `${vm.vmId}\0${name}`;
    let token = this.#queueTokens.get(key);
    if (token === undefined) {
      token = this.#queueTokens.size + 1;
      while (this.#queues.has(token)) token++;
      this.#queueTokens.set(key, token);
    }
    this.#queues.set(token, { vm, contextId, entries: this.#queues.get(token)?.entries ?? [] });
    return token;
  }

  resolveQueue(vmId: string, name: string): number | undefined {
    return this.#queueTokens.get(`${vmId}\0${name}`);
  }

  enqueue(token: number, value: Uint8Array): number {
    const queue = this.#queues.get(token);
    if (!queue) return Result.NotFound;
    queue.entries.push(Buffer.from(value));
    this.#wakeups.push({ token, vm: queue.vm, contextId: queue.contextId });
    return Result.Ok;
  }

  /** Undefined: no such queue; null: nothing in it. */
  dequeue(token: number): Buffer | null | undefined {
    const queue = this.#queues.get(token);
    return queue && (queue.entries.shift() ?? null);
  }

  /** Runs what other threads were posted, as their event loops would: never inside a call into a VM. */
  settle(): void {
    if (this.#settling || this.vms.some((vm) => vm.running)) return;
    this.#settling = true;
    try {
      for (let wake = this.#wakeups.shift(); wake; wake = this.#wakeups.shift()) {
        if (this.vms.includes(wake.vm)) wake.vm.queueReady(wake.contextId, wake.token);
      }
    } finally {
      this.#settling = false;
    }
  }

  afterEvent(): void {
    if (this.autoSettle) this.settle();
  }

  /** Moves the clock and fires every tick that falls due on the way, in order of time. */
  advance(milliseconds: number): void {
    const end = this.now + BigInt(Math.round(milliseconds * 1e6));
    for (;;) {
      const due = this.vms
        .flatMap((vm) => vm.roots)
        .filter((root) => root.tickDue !== undefined && root.tickDue <= end);
      due.sort((a, b) => Number((a.tickDue ?? 0n) - (b.tickDue ?? 0n)));
      const next = due[0];
      if (!next) break;
      if (next.tickDue !== undefined && next.tickDue > this.now) this.now = next.tickDue;
      next.tick();
    }
    this.now = end;
  }

  defineMetric(type: MetricType, name: string): Metric {
    const key = `${type} ${name}`;
    let metric = this.#metrics.get(key);
    if (!metric) {
      metric = { type, name, value: 0n, samples: [] };
      this.#metrics.set(key, metric);
    }
    return metric;
  }

  /** Value of a counter or gauge over all VMs, name without Envoy's `wasmcustom.`; undefined: nobody defined it. */
  metric(name: string): number | undefined {
    const metric = this.#metrics.get(`counter ${name}`) ?? this.#metrics.get(`gauge ${name}`);
    return metric && Number(metric.value);
  }

  /** All counters and gauges, to find those that a test forgot. */
  metrics(): Record<string, number> {
    const all = [...this.#metrics.values()].filter((metric) => metric.type !== "histogram");
    return Object.fromEntries(all.map((metric) => [metric.name, Number(metric.value)]));
  }

  histogram(name: string): number[] | undefined {
    return this.#metrics.get(`histogram ${name}`)?.samples.map(Number);
  }
}

function seededRandom(seed: number): (bytes: number) => Uint8Array {
  let state = seed >>> 0 || 1;
  return (bytes) =>
    Uint8Array.from({ length: bytes }, () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) & 0xff;
    });
}
