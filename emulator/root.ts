// A root context: one configured filter (plugin) in one VM.
import { ConfigurationRefused } from "./codes.ts";
import type { RootContext } from "./contexts.ts";
import type { Vm } from "./vm.ts";

export interface RootOptions {
  configuration?: string;
  rootId?: string;
  /** The plugin's name. */
  name?: string;
  /**
   * Envoy's option `allow_on_headers_stop_iteration`. Without it, a stop at the headers stops the body and the trailers too.
   */
  allowOnHeadersStopIteration?: boolean;
}

export class Root implements RootContext {
  readonly kind = "root";
  readonly id: number;
  readonly vm: Vm;
  configuration: string;
  readonly rootId: string;
  readonly name: string;
  readonly allowOnHeadersStopIteration: boolean;
  configurationReadable = false;
  tickPeriod = 0;
  tickDue: bigint | undefined;

  /** Throws ConfigurationRefused if the guest refuses its configuration. */
  constructor(vm: Vm, options: RootOptions = {}) {
    this.vm = vm;
    this.configuration = options.configuration ?? "";
    this.rootId = options.rootId ?? "";
    this.name = options.name ?? "";
    this.allowOnHeadersStopIteration = options.allowOnHeadersStopIteration ?? false;
    this.id = vm.register(this);
    this.#readable(() => vm.call(this, "proxy_on_context_create", [this.id, 0]));
    const vmBytes = Buffer.byteLength(vm.vmConfiguration);
    this.#accept("proxy_on_vm_start", vm.call(this, "proxy_on_vm_start", [this.id, vmBytes]));
    this.configure();
    vm.roots.push(this);
    vm.process.afterEvent();
  }

  configure(configuration = this.configuration): void {
    this.configuration = configuration;
    const bytes = Buffer.byteLength(this.configuration);
    const result = this.#readable(() => this.vm.call(this, "proxy_on_configure", [this.id, bytes]));
    this.#accept("proxy_on_configure", result);
  }

  /** Runs one tick, due or not. The guest must have asked for ticks. */
  tick(): void {
    if (this.tickPeriod === 0) throw new Error("tick(): the guest never set a tick period");
    this.setTickPeriod(this.tickPeriod);
    this.vm.call(this, "proxy_on_tick", [this.id]);
    this.vm.process.afterEvent();
  }

  setTickPeriod(milliseconds: number): void {
    this.tickPeriod = milliseconds;
    this.tickDue = milliseconds === 0 ? undefined : this.vm.process.now + BigInt(milliseconds) * 1_000_000n;
  }

  /** Calls done, then delete. If the guest returns false from done, the context stays, as in Envoy until proxy_done. */
  close(): void {
    const index = this.vm.roots.indexOf(this);
    if (index >= 0) this.vm.roots.splice(index, 1);
    if (this.vm.call(this, "proxy_on_done", [this.id]) === 0) return;
    this.vm.call(this, "proxy_on_delete", [this.id]);
    this.vm.contexts.delete(this.id);
  }

  #readable<T>(work: () => T): T {
    this.configurationReadable = true;
    try {
      return work();
    } finally {
      this.configurationReadable = false;
    }
  }

  #accept(callback: string, result: number | undefined): void {
    if (result === 0) throw new ConfigurationRefused(callback, this.vm.logs);
  }
}
