// The adapters of one engine: which ones have requests, and which ones are loaded.

export class Adapters {
  /** Whether the server can load adapters. */
  enabled = false;
  /** Number of running sequences, per adapter. */
  private readonly running = new Map<string, number>();
  /**
   * Number of waiting and running requests per adapter, in order of arrival. vLLM 0.32 lists these names both as running and
   * as waiting.
   */
  private readonly present = new Map<string, number>();
  /** Adapters that are loaded, least recently used first. */
  private readonly resident = new Set<string>();

  /** The adapters with waiting or running requests, as one label value. */
  get names(): string {
    return [...this.present.keys()].join(",");
  }

  arrived(adapter: string | undefined): void {
    if (adapter !== undefined) add(this.present, adapter, 1);
  }

  ended(adapter: string | undefined): void {
    if (adapter !== undefined) add(this.present, adapter, -1);
  }

  entersSlot(adapter: string | undefined): void {
    if (adapter !== undefined) add(this.running, adapter, 1);
  }

  leavesSlot(adapter: string | undefined): void {
    if (adapter !== undefined) add(this.running, adapter, -1);
  }

  /** Whether other adapters occupy all of the `max` adapter slots. */
  mustWait(adapter: string | undefined, max: number): boolean {
    return adapter !== undefined && this.running.size >= max && !this.running.has(adapter);
  }

  /** Makes an adapter resident. Returns true if the adapter had to be loaded. */
  bringIn(adapter: string, max: number): boolean {
    const had = this.resident.delete(adapter);
    this.resident.add(adapter);
    for (const oldest of this.resident) {
      if (this.resident.size <= max) break;
      if (!this.running.has(oldest)) this.resident.delete(oldest);
    }
    return !had;
  }
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const value = (counts.get(key) ?? 0) + by;
  if (value > 0) counts.set(key, value);
  else counts.delete(key);
}
