// The KV cache of a simulated engine: which blocks requests use, which blocks are cached, and which block is evicted next.
import { type Linked, LinkedList } from "./linked-list.ts";

/**
 * The KV cache as counts and hashes. A *hashed* block is a full block of a prompt; all sequences whose prompts begin with the
 * same chain share it. A *plain* block is partly filled or generated. A plain block belongs to one sequence; while it is in
 * use, only a counter represents it. An unused block stays until its room is needed. Blocks are evicted in the order in which
 * they were released, as from vLLM's free queue, so generated blocks evict prompts.
 *
 * Unlike in vLLM, generated blocks are never matched. A response that a client sends back in a prompt is prefilled again.
 *
 * Invariant: the number of blocks never exceeds the capacity, unless the capacity was lowered below the blocks in use.
 */
export class Block implements Linked<Block> {
  /** The hash of a hashed block; undefined: the block is plain. */
  readonly hash: number | undefined;
  users = 1;
  prev: Block | null = null;
  next: Block | null = null;

  constructor(hash?: number) {
    this.hash = hash;
  }
}

/** The blocks of a sequence: hashed blocks from the start of the prompt, then plain blocks. */
export interface Holding {
  readonly hashes: ArrayLike<number>;
  readonly blocks: Block[];
  plain: number;
}

export class KvCache {
  capacity: number;
  private readonly blockSize: number;
  private readonly byHash = new Map<number, Block>();
  private readonly found: Block[] = [];
  /** Number of plain blocks in use. */
  private plain = 0;
  /** Number of hashed blocks that no sequence uses. */
  private idle = 0;
  /** Number of plain blocks that no sequence uses. */
  private left = 0;
  /** All blocks that no sequence uses, in the order of eviction. */
  private readonly unused = new LinkedList<Block>();
  evictions = 0;

  constructor(capacity: number, blockSize: number) {
    this.capacity = capacity;
    this.blockSize = blockSize;
  }

  /** Returns the share of the capacity that sequences use, 0 to 1. Unused blocks count as free, as in vLLM. */
  get usage(): number {
    return Math.min(1, this.used / this.capacity);
  }

  get used(): number {
    return this.plain + this.byHash.size - this.idle;
  }

  get cachedBlocks(): number {
    return this.byHash.size;
  }

  /**
   * Returns the length in blocks of the longest cached chain of `hashes`, at most `limit`. The next `admit` takes this chain.
   */
  match(hashes: ArrayLike<number>, limit: number): number {
    const end = Math.min(hashes.length, limit);
    const found = this.found;
    found.length = 0;
    while (found.length < end) {
      const block = this.byHash.get(hashes[found.length] as number);
      if (block === undefined) break;
      found.push(block);
    }
    return found.length;
  }

  /**
   * Returns how many of a prompt's `tokens` the next `admit` would compute, at least 1. Every chain is cached from its start, because
   * the end of a chain is evicted first. So a binary search finds where the cached part ends.
   */
  uncachedTokens(hashes: ArrayLike<number>, tokens: number): number {
    let low = 0;
    let high = Math.min(hashes.length, Math.floor((tokens - 1) / this.blockSize));
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.byHash.has(hashes[middle - 1] as number)) low = middle;
      else high = middle - 1;
    }
    return tokens - low * this.blockSize;
  }

  /**
   * Takes the chain that `match` found last, and blocks for `tokens` tokens in total. Without room it returns false and
   * changes nothing.
   */
  admit(holding: Holding, tokens: number): boolean {
    let woken = 0;
    for (const block of this.found) if (block.users === 0) woken++;
    if (this.capacity - this.used - woken < this.blocksFor(tokens) - this.found.length) return false;
    for (const block of this.found) {
      if (block.users++ === 0) this.unpark(block);
      holding.blocks.push(block);
    }
    this.found.length = 0;
    this.extend(holding, tokens);
    return true;
  }

  /**
   * Takes more blocks for a running sequence, which then has room for `tokens` tokens. Without room it returns false and
   * changes nothing.
   */
  grow(holding: Holding, tokens: number): boolean {
    const more = this.blocksFor(tokens) - holding.blocks.length - holding.plain;
    if (more > 0 && this.capacity - this.used < more) return false;
    this.extend(holding, tokens);
    return true;
  }

  /** Releases all blocks of a sequence, the end of the chain first, so that the end is evicted before the beginning. */
  release(holding: Holding): void {
    this.plain -= holding.plain;
    this.left += holding.plain;
    for (; holding.plain > 0; holding.plain--) {
      const block = new Block();
      block.users = 0;
      this.unused.push(block);
    }
    for (let i = holding.blocks.length - 1; i >= 0; i--) {
      const block = holding.blocks[i] as Block;
      if (--block.users === 0) this.park(block);
    }
    holding.blocks.length = 0;
  }

  resize(capacity: number): void {
    this.capacity = capacity;
    this.evict();
  }

  private blocksFor(tokens: number): number {
    return Math.ceil(tokens / this.blockSize);
  }

  private extend(holding: Holding, tokens: number): void {
    const full = Math.min(Math.floor(tokens / this.blockSize), holding.hashes.length);
    const plain = this.blocksFor(tokens) - Math.max(full, holding.blocks.length);
    this.plain += plain - holding.plain;
    holding.plain = plain;
    while (holding.blocks.length < full)
      holding.blocks.push(this.take(holding.hashes[holding.blocks.length] as number));
    this.evict();
  }

  private take(hash: number): Block {
    const found = this.byHash.get(hash);
    if (found === undefined) {
      const block = new Block(hash);
      this.byHash.set(hash, block);
      return block;
    }
    if (found.users++ === 0) this.unpark(found);
    return found;
  }

  private evict(): void {
    while (this.unused.head !== null && this.plain + this.left + this.byHash.size > this.capacity) {
      const block = this.unused.head;
      if (block.hash === undefined) {
        this.unused.remove(block);
        this.left--;
      } else {
        this.unpark(block);
        this.byHash.delete(block.hash);
        this.evictions++;
      }
    }
  }

  private park(block: Block): void {
    this.unused.push(block);
    this.idle++;
  }

  private unpark(block: Block): void {
    this.unused.remove(block);
    this.idle--;
  }
}
