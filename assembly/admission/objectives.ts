// Objectives by the hash of their name: a request's header is gone when its model, and so its pool, is known.
//   table = open addressing of { u64 hash, u32 index of the first objective with that name, u32 0 }
// Of an unknown objective, and of one for another pool, the priority is 0.
import { textHash } from "../base/hash";
import { objectiveName, objectiveNameLength, objectivePool, objectivePriority } from "../snapshot/objects";
import { SnapshotView } from "../snapshot/view";

const ENTRY: u32 = 16;
let table: usize = 0;
let capacity: u32 = 0;

export function objectiveHash(name: usize, length: u32): u64 {
  return textHash(name, length);
}

/** A snapshot has been taken over. */
export function followObjectives(view: SnapshotView): void {
  if (view.objectiveCount == 0 && capacity == 0) return;
  if (view.objectiveCount * 2 > capacity) {
    if (table) heap.free(table);
    capacity = 64;
    while (capacity < view.objectiveCount * 2) capacity <<= 1;
    table = heap.alloc(capacity * ENTRY);
  }
  memory.fill(table, 0, capacity * ENTRY);
  for (let i: u32 = 0; i < view.objectiveCount; i++) {
    const hash = textHash(objectiveName(view, i), objectiveNameLength(view, i));
    const at = find(hash);
    if (load<u64>(at) != 0) continue;
    store<u64>(at, hash);
    store<u32>(at, i, 8);
  }
}

function find(hash: u64): usize {
  let i = <u32>hash & (capacity - 1);
  while (true) {
    const at = table + i * ENTRY;
    if (load<u64>(at) == hash || load<u64>(at) == 0) return at;
    i = (i + 1) & (capacity - 1);
  }
}

/** `place`: of the request's pool, 0 when it has none. */
export function objectivePriorityOf(view: SnapshotView, hash: u64, place: u32): i32 {
  if (capacity == 0) return 0;
  const entry = find(hash);
  if (load<u64>(entry) == 0) return 0;
  const first = load<u32>(entry, 8);
  let general: i32 = 0;
  for (let i = first; i < view.objectiveCount; i++) {
    if (i > first && !sameName(view, first, i)) break;
    const owner = objectivePool(view, i);
    if (owner == place || place == 0) return objectivePriority(view, i);
    if (owner == 0) general = objectivePriority(view, i);
  }
  return general;
}

function sameName(view: SnapshotView, a: u32, b: u32): bool {
  const length = objectiveNameLength(view, a);
  if (length != objectiveNameLength(view, b)) return false;
  return memory.compare(objectiveName(view, a), objectiveName(view, b), length) == 0;
}
