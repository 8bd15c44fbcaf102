// Finds a request's objective by the hash of the objective's name. The filter keeps only this hash of the request's header,
// because the pool is known only after the model, and the header is gone by then.
// An unknown objective, and an objective for another pool, gives the request priority 0.
import { bytesEqual } from "../base/bytes";
import { textHash } from "../base/hash";
import { objectiveName, objectiveNameLength, objectivePool, objectivePriority } from "../snapshot/objects";
import { SnapshotView } from "../snapshot/view";

@unmanaged
class Named {
  /** Hash of the name; 0: the slot is free. */
  hash: u64 = 0;
  /** Index of the first objective with that name. */
  first: u32 = 0;
}

const NAMED_BYTES: u32 = (<u32>offsetof<Named>() + 7) & ~7;
const MIN_CAPACITY: u32 = 64;

/** A hash table with open addressing. At most half of its slots are taken. */
let table: usize = 0;
let capacity: u32 = 0;

export function objectiveHash(name: usize, length: u32): u64 {
  return textHash(name, length);
}

/** Rebuilds the table from a snapshot that was taken over. */
export function followObjectives(view: SnapshotView): void {
  if (view.objectiveCount == 0 && capacity == 0) return;
  if (view.objectiveCount * 2 > capacity) {
    if (table) heap.free(table);
    capacity = MIN_CAPACITY;
    while (capacity < view.objectiveCount * 2) capacity <<= 1;
    table = heap.alloc(capacity * NAMED_BYTES);
  }
  memory.fill(table, 0, capacity * NAMED_BYTES);
  for (let i: u32 = 0; i < view.objectiveCount; i++) {
    const hash = textHash(objectiveName(view, i), objectiveNameLength(view, i));
    const named = find(hash);
    if (named.hash != 0) continue;
    named.hash = hash;
    named.first = i;
  }
}

/** The slot of the name with this hash, or a free slot if the table does not have the name. */
function find(hash: u64): Named {
  let i = <u32>hash & (capacity - 1);
  while (true) {
    const named = changetype<Named>(table + i * NAMED_BYTES);
    if (named.hash == hash || named.hash == 0) return named;
    i = (i + 1) & (capacity - 1);
  }
}

/** Priority of the objective with this hash. `pool`: index + 1 of the request's pool; 0: the request has no pool. */
export function objectivePriorityOf(view: SnapshotView, hash: u64, pool: u32): i32 {
  if (capacity == 0) return 0;
  const named = find(hash);
  if (named.hash == 0) return 0;
  const first = named.first;
  let general: i32 = 0;
  for (let i = first; i < view.objectiveCount; i++) {
    if (i > first && !sameName(view, first, i)) break;
    const owner = objectivePool(view, i);
    if (owner == pool || pool == 0) return objectivePriority(view, i);
    if (owner == 0) general = objectivePriority(view, i);
  }
  return general;
}

function sameName(view: SnapshotView, a: u32, b: u32): bool {
  return bytesEqual(
    objectiveName(view, a),
    objectiveNameLength(view, a),
    objectiveName(view, b),
    objectiveNameLength(view, b),
  );
}
