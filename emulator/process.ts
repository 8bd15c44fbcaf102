// One Envoy process: its workers' VMs, what they share, and a clock and a random source that the caller controls.
import type { EnvoyProcess } from "./contexts.ts";
import { MetricStore } from "./metric-store.ts";
import { Root, type RootOptions } from "./root.ts";
import { SharedData } from "./shared-data.ts";
import { SharedQueues } from "./shared-queues.ts";
import { Vm, type VmOptions } from "./vm.ts";

export interface ProcessOptions {
  /** Nanoseconds since the Unix epoch. */
  now?: bigint;
  random?: (bytes: number) => Uint8Array;
  /** Seed of the default random source. */
  seed?: number;
  /** true, the default: a broken rule throws. false: a broken rule is noted in `violations`, and the guest goes on. */
  strict?: boolean;
  /** false: shared queues wake nobody until `settle()` is called. */
  autoSettle?: boolean;
  /** The shared data; default: new shared data, which no other process uses. */
  shared?: SharedData;
}

export class Process implements EnvoyProcess {
  now: bigint;
  readonly started: bigint;
  readonly strict: boolean;
  readonly random: (bytes: number) => Uint8Array;
  readonly violations: string[] = [];
  readonly vms: Vm[] = [];
  readonly shared: SharedData;
  readonly queues = new SharedQueues();
  readonly metrics = new MetricStore();

  readonly #autoSettle: boolean;
  #settling = false;

  constructor(options: ProcessOptions = {}) {
    this.now = options.now ?? 1_700_000_000_000_000_000n;
    this.started = this.now;
    this.strict = options.strict ?? true;
    this.shared = options.shared ?? new SharedData();
    this.#autoSettle = options.autoSettle ?? true;
    this.random = options.random ?? seededRandom(options.seed ?? 1);
  }

  /** Starts a worker's VM, without a root context. */
  startVm(module: Uint8Array | WebAssembly.Module, options: VmOptions = {}): Vm {
    const vm = new Vm(this, module, options);
    this.vms.push(vm);
    return vm;
  }

  /** Starts a worker's VM with one root context. Throws ConfigurationRefused. */
  startRoot(module: Uint8Array | WebAssembly.Module, options: VmOptions & RootOptions = {}): Root {
    return new Root(this.startVm(module, options), options);
  }

  /** Removes a closed VM. The shared data and queues of its vm_id are deleted with the last VM of that id. */
  forget(vm: { readonly vmId: string }): void {
    for (const [index, each] of this.vms.entries()) if (each === vm) this.vms.splice(index, 1);
    if (this.vms.some((other) => other.vmId === vm.vmId)) return;
    this.shared.forget(vm.vmId);
    this.queues.forget(vm.vmId);
  }

  /** Wakes the owners of queues, as their event loops would. Wakes none while a VM is running. */
  settle(): void {
    if (this.#settling || this.vms.some((vm) => vm.running)) return;
    this.#settling = true;
    try {
      for (let wake = this.queues.nextWakeup(); wake; wake = this.queues.nextWakeup()) {
        const { owner, contextId, token } = wake;
        if (this.vms.some((vm) => vm === owner)) owner.queueReady(contextId, token);
      }
    } finally {
      this.#settling = false;
    }
  }

  afterEvent(): void {
    if (this.#autoSettle) this.settle();
  }

  /** Moves the clock, and runs every tick that falls due in this time, in order. */
  advance(milliseconds: number): void {
    const end = this.now + BigInt(Math.round(milliseconds * 1e6));
    for (;;) {
      const next = this.#nextTick(end);
      if (!next) break;
      if (next.tickDue !== undefined && next.tickDue > this.now) this.now = next.tickDue;
      next.tick();
    }
    this.now = end;
  }

  /** Returns the root whose tick is due first, at `end` at the latest. It looks at each VM once, since a process may have many. */
  #nextTick(end: bigint): Vm["roots"][number] | undefined {
    let next: Vm["roots"][number] | undefined;
    let first = end + 1n;
    for (const vm of this.vms)
      for (const root of vm.roots)
        if (root.tickDue !== undefined && root.tickDue < first) {
          next = root;
          first = root.tickDue;
        }
    return next;
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
