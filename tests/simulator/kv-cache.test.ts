// The KV cache of a pod: the order of eviction, and a comparison with a simple model for random operations.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Holding, KvCache } from "../../simulator/engine/kv-cache.ts";

const BLOCK = 4;

/** A prompt of `blocks` blocks. Prompts with the same `from` share a prefix. */
const chain = (from: number, blocks: number) => Array.from({ length: blocks }, (_, i) => from + i);
const holding = (hashes: number[]): Holding => ({ hashes, blocks: [], plain: 0 });

/** A sequence whose whole prompt is admitted. */
function admitted(cache: KvCache, hashes: number[]): Holding {
  const taken = holding(hashes);
  cache.match(hashes, hashes.length);
  assert.ok(cache.admit(taken, hashes.length * BLOCK));
  return taken;
}

/** Runs a request from its admission to its end. It generates `answer` blocks. */
function serve(cache: KvCache, hashes: number[], answer: number): void {
  const taken = admitted(cache, hashes);
  assert.ok(cache.grow(taken, (hashes.length + answer) * BLOCK));
  cache.release(taken);
}

const cachedOf = (cache: KvCache, hashes: number[]) => cache.match(hashes, hashes.length);

describe("unused blocks", () => {
  test("of a response stay until their room is needed, and go in the order of their release", () => {
    const cache = new KvCache(10, BLOCK);
    serve(cache, chain(100, 3), 2);
    assert.deepEqual([cache.used, cache.usage, cache.cachedBlocks], [0, 0, 3]);
    serve(cache, chain(200, 3), 2);
    assert.equal(cache.evictions, 0, "5 and 5 of 10");
    // The blocks of the first response were released first.
    serve(cache, chain(300, 2), 0);
    assert.deepEqual([cache.evictions, cachedOf(cache, chain(100, 3))], [0, 3]);
    serve(cache, chain(400, 1), 0);
    assert.deepEqual([cache.evictions, cachedOf(cache, chain(100, 3))], [1, 2]);
  });

  test("of responses evict prompts that were used earlier", () => {
    const cache = new KvCache(10, BLOCK);
    serve(cache, chain(100, 3), 0);
    for (const from of [200, 300]) serve(cache, chain(from, 1), 3);
    assert.deepEqual([cache.evictions, cachedOf(cache, chain(100, 3))], [1, 2]);
    serve(cache, chain(400, 1), 3);
    assert.deepEqual([cache.evictions, cachedOf(cache, chain(100, 3))], [3, 0]);
    assert.deepEqual([cachedOf(cache, [200]), cachedOf(cache, [300]), cachedOf(cache, [400])], [1, 1, 1]);
  });

  test("are evicted in the order of their release, a prompt's end before its beginning", () => {
    const cache = new KvCache(6, BLOCK);
    const first = admitted(cache, chain(100, 2));
    const second = admitted(cache, chain(200, 2));
    const third = admitted(cache, chain(300, 2));
    for (const taken of [second, third, first]) cache.release(taken);
    const left = () => [100, 200, 300].map((from) => cachedOf(cache, chain(from, 2)));
    const orders = [];
    for (let i = 0; i < 6; i++) {
      serve(cache, [1000 + i], 0);
      orders.push(left().join());
    }
    assert.deepEqual(orders, ["2,1,2", "2,0,2", "2,0,1", "2,0,0", "1,0,0", "0,0,0"]);
  });

  test("that are used again are evicted last", () => {
    const cache = new KvCache(4, BLOCK);
    serve(cache, chain(100, 2), 0);
    serve(cache, chain(200, 2), 0);
    serve(cache, chain(100, 2), 0);
    serve(cache, chain(300, 2), 0);
    assert.deepEqual([cachedOf(cache, chain(100, 2)), cachedOf(cache, chain(200, 2))], [2, 0]);
  });
});

test("the last token of a prompt is never taken from the cache", () => {
  const cache = new KvCache(10, BLOCK);
  serve(cache, chain(100, 3), 0);
  assert.equal(cache.uncachedTokens(chain(100, 3), 3 * BLOCK), BLOCK);
  assert.equal(cache.uncachedTokens(chain(100, 3), 3 * BLOCK + 1), 1);
  assert.equal(cache.uncachedTokens([], 1), 1);
});

/** A simple model of the cache, with lists. */
class Model {
  /** Unused blocks in the order of eviction: hashes, or null for a generated block. */
  idle: (number | null)[] = [];
  /** Number of users of a block. */
  readonly users = new Map<number, number>();
  plain = 0;
  evictions = 0;
  capacity: number;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get used(): number {
    return this.plain + this.users.size;
  }

  cached(hashes: ArrayLike<number>): number {
    let i = 0;
    while (i < hashes.length && this.has(hashes[i] as number)) i++;
    return i;
  }

  has(hash: number): boolean {
    return this.users.has(hash) || this.idle.includes(hash);
  }

  /** Grows a sequence with `taken` hashed and `plain` plain blocks to `tokens`. Returns false without room. */
  extend(taken: Taken, tokens: number): boolean {
    const all = Math.ceil(tokens / BLOCK);
    const found = taken.hashed === 0 && taken.plain === 0 ? this.cached(taken.hashes) : 0;
    const shared = taken.hashes.slice(0, found).filter((hash) => this.users.has(hash)).length;
    if (all > taken.hashed + taken.plain && this.used + all - taken.hashed - taken.plain - shared > this.capacity)
      return false;
    const full = Math.max(taken.hashed, found, Math.min(Math.floor(tokens / BLOCK), taken.hashes.length));
    for (const hash of taken.hashes.slice(taken.hashed, full)) {
      this.idle = this.idle.filter((other) => other !== hash);
      this.users.set(hash, (this.users.get(hash) ?? 0) + 1);
    }
    this.plain += all - full - taken.plain;
    taken.hashed = full;
    taken.plain = all - full;
    this.trim();
    return true;
  }

  release(taken: Taken): void {
    this.plain -= taken.plain;
    for (let i = 0; i < taken.plain; i++) this.idle.push(null);
    for (const hash of taken.hashes.slice(0, taken.hashed).reverse()) {
      const left = (this.users.get(hash) as number) - 1;
      if (left > 0) this.users.set(hash, left);
      else {
        this.users.delete(hash);
        this.idle.push(hash);
      }
    }
  }

  trim(): void {
    while (this.used + this.idle.length > this.capacity && this.idle.length > 0) {
      if (this.idle.shift() !== null) this.evictions++;
    }
  }
}

interface Taken {
  hashes: number[];
  hashed: number;
  plain: number;
}

test("the cache equals the simple model for every sequence of operations", () => {
  const step = fc.record({
    kind: fc.constantFrom("admit", "admit", "grow", "grow", "release", "release", "resize"),
    from: fc.integer({ min: 0, max: 3 }),
    shared: fc.integer({ min: 0, max: 6 }),
    blocks: fc.integer({ min: 0, max: 8 }),
    tokens: fc.integer({ min: 1, max: 14 }),
    which: fc.nat(),
  });
  let unlike = 1000;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 24 }), fc.array(step, { maxLength: 80 }), (capacity, steps) => {
      const cache = new KvCache(capacity, BLOCK);
      const model = new Model(capacity);
      const open: { real: Holding; taken: Taken; tokens: number }[] = [];
      const prompts: number[][] = [];
      for (const { kind, from, shared, blocks, tokens, which } of steps) {
        const one = open[which % Math.max(open.length, 1)];
        if (kind === "admit") {
          const alike = chain(from * 100, Math.min(shared, blocks));
          const hashes = [...alike, ...chain(unlike, blocks - alike.length)];
          unlike += 10;
          prompts.push(hashes);
          const real = holding(hashes);
          const taken = { hashes, hashed: 0, plain: 0 };
          const first = cache.match(hashes, hashes.length) * BLOCK + tokens;
          assert.equal(cache.admit(real, first), model.extend(taken, first));
          if (taken.hashed + taken.plain > 0) open.push({ real, taken, tokens: first });
        } else if (kind === "grow" && one) {
          const more = one.tokens + tokens;
          const grown = model.extend(one.taken, more);
          assert.equal(cache.grow(one.real, more), grown);
          if (grown) one.tokens = more;
        } else if (kind === "release" && one) {
          cache.release(one.real);
          model.release(one.taken);
          open.splice(open.indexOf(one), 1);
        } else if (kind === "resize") {
          model.capacity = 1 + (which % 24);
          cache.resize(model.capacity);
          model.trim();
        }
        assert.deepEqual([cache.used, cache.evictions], [model.used, model.evictions]);
        const hashed = model.users.size + model.idle.filter((hash) => hash !== null).length;
        assert.equal(cache.cachedBlocks, hashed);
        for (const hashes of prompts) {
          const cached = cachedOf(cache, hashes);
          assert.equal(cached, model.cached(hashes));
          assert.equal(cache.uncachedTokens(hashes, hashes.length * BLOCK + 1), (hashes.length - cached) * BLOCK + 1);
        }
        for (const { real, taken } of open)
          assert.deepEqual([real.blocks.length, real.plain], [taken.hashed, taken.plain]);
      }
      for (const { real } of open) cache.release(real);
      assert.equal(cache.used, 0);
    }),
    { numRuns: 400 },
  );
});
