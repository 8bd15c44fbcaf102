// The search for all orders of threads, with threads that are only counters.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { interleave, type Search, type Threads } from "../../testkit/emulator/interleave.ts";

/** Threads with so many steps, each on the given key. */
function walks(steps: readonly number[], keyOf: (thread: number) => string, writes: boolean): Threads {
  const left = [...steps];
  return {
    count: steps.length,
    next: (thread) => (left[thread] ? { key: keyOf(thread), writes } : undefined),
    step: (thread) => {
      left[thread] = (left[thread] ?? 0) - 1;
    },
  };
}

/** A value that each thread raises under compare-and-swap, `changes` times. A thread that is overtaken tries again or gives up. */
class Raises implements Threads {
  readonly count: number;
  value = 0;
  #left: number[];
  #read: (number | undefined)[];
  readonly #triesAgain: boolean;

  constructor(count: number, changes: number, triesAgain: boolean) {
    this.count = count;
    this.#left = Array(count).fill(changes);
    this.#read = Array(count).fill(undefined);
    this.#triesAgain = triesAgain;
  }

  next(thread: number) {
    return this.#left[thread] ? { key: "value", writes: this.#read[thread] === this.value } : undefined;
  }

  step(thread: number): void {
    const read = this.#read[thread];
    this.#read[thread] = read === undefined ? this.value : undefined;
    if (read === undefined) return;
    if (read === this.value) this.value++;
    else if (this.#triesAgain) return;
    this.#left[thread] = (this.#left[thread] ?? 0) - 1;
  }
}

/** The orders that are not known, and the values at their ends. */
function searched(begin: () => Threads, reductions: Pick<Search, "reduced" | "alike">, value = (_: Threads) => 0) {
  const orders: string[] = [];
  const values = new Set<number>();
  let threads = begin();
  interleave({
    ...reductions,
    begin: () => {
      threads = begin();
      return threads;
    },
    end: (order, known) => {
      if (!known) orders.push(order.join(""));
      values.add(value(threads));
    },
  });
  return { orders, values: [...values].sort() };
}

const lastValue = (threads: Threads) => (threads as Raises).value;

describe("all orders", () => {
  test("each order of the steps is run once", () => {
    const { orders } = searched(() => walks([2, 2], () => "k", true), {});
    assert.deepEqual(orders.sort(), ["0011", "0101", "0110", "1001", "1010", "1100"]);
    assert.equal(searched(() => walks([3, 4], () => "k", true), {}).orders.length, 35);
    assert.equal(new Set(searched(() => walks([2, 2, 2], () => "k", true), {}).orders).size, 90);
  });

  test("a thread that tries again has more steps in some orders than in others", () => {
    const { orders, values } = searched(() => new Raises(2, 1, true), {}, lastValue);
    assert.deepEqual(values, [2]);
    assert.deepEqual([...new Set(orders.map((order) => order.length))].sort(), [4, 6]);
  });

  test("threads that do otherwise after the same choices are an error", () => {
    let runs = 0;
    const begin = () => walks([1, 1], () => (runs++ < 2 ? "k" : "other"), true);
    assert.throws(() => searched(begin, {}), /not repeatable/);
  });
});

describe("a reduced search", () => {
  test("steps that only read, and steps on different keys, have one order", () => {
    assert.equal(searched(() => walks([3, 3], () => "k", false), { reduced: true }).orders.length, 1);
    assert.equal(searched(() => walks([3, 3], String, true), { reduced: true }).orders.length, 1);
    assert.equal(searched(() => walks([3, 3], () => "k", true), { reduced: true }).orders.length, 20);
  });

  for (const [count, changes] of [
    [2, 2],
    [3, 1],
  ] as const) {
    for (const triesAgain of [true, false]) {
      test(`${count} threads with ${changes} changes find the same values with fewer orders, tries again: ${triesAgain}`, () => {
        const begin = () => new Raises(count, changes, triesAgain);
        const all = searched(begin, {}, lastValue);
        const reduced = searched(begin, { reduced: true }, lastValue);
        const alike = searched(begin, { reduced: true, alike: true }, lastValue);
        assert.deepEqual([reduced.values, alike.values], [all.values, all.values]);
        assert.equal(all.values.length > 1, !triesAgain);
        assert.ok(reduced.orders.length < all.orders.length / 2);
        assert.ok(alike.orders.length < reduced.orders.length);
      });
    }
  }
});
