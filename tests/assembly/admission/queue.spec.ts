import {
  addWaiting,
  findScope,
  firstScope,
  growQueue,
  lowestBelow,
  nextWaiting,
  oldestWaiting,
  priorityOf,
  removeWaiting,
  takeNext,
  WaitingRequest,
  waitingBytes,
  waitingCount,
} from "../../../assembly/admission/queue";
import { newRandom } from "../../../assembly/base/random";

const CAPACITY: u32 = 64;
const POOL: u64 = 7;
const ANNE: u64 = 1;
const BEN: u64 = 2;
const CLEO: u64 = 3;

let clock: u64 = 0;

/** Adds a waiting request. `id` stands for its stream. */
function add(id: usize, fairness: u64, priority: i32 = 0, scope: u64 = POOL, size: u32 = 10): WaitingRequest | null {
  return addWaiting(scope, priority, fairness, id, size, ++clock);
}

/** Streams in the order in which a scope lets them go. */
function drain(scope: u64 = POOL): usize[] {
  const order: usize[] = [];
  while (true) {
    const found = findScope(scope);
    if (found === null) return order;
    order.push(nextWaiting(found).stream);
    takeNext(found);
  }
}

describe("the hold queue", () => {
  beforeAll(() => growQueue(CAPACITY));
  beforeEach(() => {
    while (oldestWaiting()) removeWaiting(changetype<WaitingRequest>(oldestWaiting()));
    expect(waitingCount()).toBe(0);
    expect(waitingBytes()).toBe(0);
    expect(firstScope()).toBe(0);
  });

  test("one client's requests go in the order in which they came", () => {
    for (let i: usize = 1; i <= 5; i++) add(i, ANNE);
    expect(drain()).toStrictEqual([1, 2, 3, 4, 5]);
  });

  test("clients take turns, however many requests each has waiting", () => {
    for (let i: usize = 1; i <= 6; i++) add(i, ANNE);
    add(11, BEN);
    add(12, BEN);
    add(21, CLEO);
    expect(drain()).toStrictEqual([1, 11, 21, 2, 12, 3, 4, 5, 6]);
  });

  test("a client who comes while another client's turn is next waits for a round", () => {
    add(1, ANNE);
    add(2, ANNE);
    add(11, BEN);
    const scope = findScope(POOL)!;
    expect(nextWaiting(scope).stream).toBe(1);
    takeNext(scope);
    add(21, CLEO);
    expect(drain()).toStrictEqual([11, 2, 21]);
  });

  test("a higher priority goes first, whoever waits and however long", () => {
    add(1, ANNE, -1);
    add(2, ANNE, 0);
    add(3, BEN, 10);
    add(4, ANNE, 2147483647);
    add(5, ANNE, 10);
    add(6, BEN, -2147483648);
    expect(drain()).toStrictEqual([4, 3, 5, 2, 1, 6]);
  });

  test("each scope has a queue of its own", () => {
    add(1, ANNE, 0, 100);
    add(2, ANNE, 5, 200);
    add(3, BEN, 0, 100);
    expect(drain(200)).toStrictEqual([2]);
    expect(drain(100)).toStrictEqual([1, 3]);
  });

  test("a request that goes away leaves the queue, wherever it stood", () => {
    const first = add(1, ANNE)!;
    add(2, ANNE);
    const alone = add(11, BEN)!;
    const last = add(3, ANNE)!;
    const high = add(31, CLEO, 9)!;
    expect(removeWaiting(alone)).toBe(false);
    expect(removeWaiting(first)).toBe(false);
    expect(removeWaiting(last)).toBe(false);
    expect(removeWaiting(high)).toBe(false);
    expect(waitingCount()).toBe(1);
    expect(drain()).toStrictEqual([2]);
    expect(removeWaiting(add(4, ANNE)!)).toBe(true);
  });

  test("the newest request of the lowest priority gives way, and never one of the same priority", () => {
    add(1, ANNE, 5);
    add(2, ANNE, -3, 200);
    add(3, BEN, -3, 200);
    add(4, CLEO, 1);
    expect(changetype<WaitingRequest>(lowestBelow(0)).stream).toBe(3);
    expect(lowestBelow(-3)).toBe(0);
    removeWaiting(changetype<WaitingRequest>(lowestBelow(9)));
    removeWaiting(changetype<WaitingRequest>(lowestBelow(9)));
    expect(changetype<WaitingRequest>(lowestBelow(9)).stream).toBe(4);
    expect(priorityOf(changetype<WaitingRequest>(lowestBelow(9)))).toBe(1);
  });

  test("no more requests wait than its capacity, and every record comes back", () => {
    for (let round = 0; round < 3; round++) {
      for (let i: u32 = 0; i < CAPACITY; i++) {
        const held = add(i + 1, i, <i32>i, i);
        expect(held !== null).toBe(true, "the worst case: each with a scope, band and flow of its own");
      }
      expect(add(1000, ANNE) === null).toBe(true);
      expect(waitingBytes()).toBe(CAPACITY * 10);
      for (let i: u32 = 0; i < CAPACITY; i++) expect(drain(i)).toStrictEqual([i + 1]);
      expect(waitingCount()).toBe(0);
    }
  });

  test("requests are listed by age, oldest first, whatever leaves in between", () => {
    const second = add(2, BEN, 3, 300)!;
    add(1, ANNE, 9);
    add(3, CLEO, -1, 400);
    removeWaiting(second);
    expect(changetype<WaitingRequest>(oldestWaiting()).stream).toBe(1);
    expect(changetype<WaitingRequest>(changetype<WaitingRequest>(oldestWaiting()).newer).stream).toBe(3);
    expect(changetype<WaitingRequest>(changetype<WaitingRequest>(oldestWaiting()).newer).newer).toBe(0);
  });

  test("over 20,000 random steps every request comes out once, by priority, and the sums are right", () => {
    const random = newRandom(42);
    const inside = new Map<usize, i32>();
    const records = new Map<usize, usize>();
    let next: usize = 1;
    let mistakes = 0;
    for (let step = 0; step < 20000; step++) {
      const draw = random.next() % 5;
      if (draw < 3) {
        const priority = <i32>(random.next() % 4) - 1;
        const held = add(next, random.next() % 5, priority, 1 + (random.next() % 3), <u32>next);
        if (held === null) {
          if (inside.size != CAPACITY) mistakes++;
          continue;
        }
        inside.set(next, priority);
        records.set(next, changetype<usize>(held));
        next++;
      } else if (draw == 3) {
        const scope = findScope(1 + (random.next() % 3));
        if (scope === null) continue;
        const held = nextWaiting(scope);
        const stream = held.stream;
        if (!inside.has(stream) || priorityOf(held) != inside.get(stream)) mistakes++;
        takeNext(scope);
        inside.delete(stream);
        records.delete(stream);
      } else if (inside.size > 0) {
        const keys = inside.keys();
        const stream = keys[random.next() % keys.length];
        removeWaiting(changetype<WaitingRequest>(records.get(stream)));
        inside.delete(stream);
        records.delete(stream);
      }
      if (waitingCount() != inside.size) mistakes++;
    }
    expect(mistakes).toBe(0);
    let sum: u64 = 0;
    const keys = inside.keys();
    for (let i = 0; i < keys.length; i++) sum += keys[i];
    expect(waitingBytes()).toBe(sum);
    const left = drain(1).length + drain(2).length + drain(3).length;
    expect(left).toBe(inside.size);
  });
});
