// The second level of the KV cache, in the memory of the server (vLLM: --kv-offloading-size with the backend `native`).
//
// As vLLM does, the engine copies each full block of a prompt into the second level when the block was computed. So the second level
// also has the blocks that the first level still has. The least recently used block is evicted. The blocks of a chain are renewed from
// the end, so that the end is evicted before the beginning.

export class Offload {
  private capacity: number;
  private readonly blocks = new Map<number, true>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.blocks.size;
  }

  get enabled(): boolean {
    return this.capacity > 0;
  }

  /** Returns how many blocks of a chain the second level has in a row, from the block `from` up to, not including, `limit`. */
  match(hashes: ArrayLike<number>, from: number, limit: number): number {
    const end = Math.min(hashes.length, limit);
    let i = from;
    while (i < end && this.blocks.has(hashes[i] as number)) i++;
    return i - from;
  }

  /** Stores or renews all blocks of a chain. */
  store(hashes: ArrayLike<number>): void {
    if (this.capacity === 0) return;
    for (let i = hashes.length - 1; i >= 0; i--) {
      const hash = hashes[i] as number;
      this.blocks.delete(hash);
      this.blocks.set(hash, true);
    }
    this.evict();
  }

  resize(capacity: number): void {
    this.capacity = capacity;
    this.evict();
  }

  private evict(): void {
    for (const oldest of this.blocks.keys()) {
      if (this.blocks.size <= this.capacity) break;
      this.blocks.delete(oldest);
    }
  }
}
