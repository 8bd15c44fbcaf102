// The snapshot's name rules (InferenceModelRewrite, InferenceModel). A rule for a name beats a rule for any name, and a
// rule for the name's pool beats a rule for all pools. The configuration's rules (configured-rules.ts) beat all of them.
//
// A request needs its target's name until its response ends, but its snapshot may be replaced before. So each name that was ever
// drawn is kept once, up to MAX_KEPT names. A rule whose target cannot be kept replaces no name.

import { bytesEqual } from "../base/bytes";
import { textHash } from "../base/hash";
import { Random } from "../base/random";
import {
  continuesRule,
  findRule,
  modelPool,
  ruleNameLength,
  rulePool,
  ruleTarget,
  ruleTargetLength,
  ruleWeight,
} from "../snapshot/objects";
import { NONE, SnapshotView } from "../snapshot/view";
import { Target } from "./configured-rules";
import { findModel } from "./models";

const MAX_KEPT: u32 = 4096;
/** Slots of the table. A power of two, and twice MAX_KEPT: half of the slots stay free, so each search ends. */
const SLOTS: u32 = MAX_KEPT * 2;

/** A hash table of kept targets with open addressing. A slot is a usize, the target's address. Allocated with the first target. */
let targets: usize = 0;
let kept: u32 = 0;

/** First record of the rule for a name; NONE if no rule is for the name. */
export function ruleFor(view: SnapshotView, name: usize, length: u32): u32 {
  if (view.ruleCount == 0) return NONE;
  const model = findModel(view, name, length);
  const pool = model == NONE ? 0 : modelPool(view, model);
  const exact = findRule(view, name, length, pool);
  if (exact != NONE) return exact;
  // If the snapshot has one pool only, this pool serves the names that have no pool.
  const owner = pool == 0 && view.poolCount == 1 ? 1 : pool;
  for (let i: u32 = 0; i < view.ruleCount && ruleNameLength(view, i) == 0; i++) {
    if (owner != 0 && rulePool(view, i) == owner) return i;
  }
  return ruleNameLength(view, 0) == 0 && rulePool(view, 0) == 0 ? 0 : NONE;
}

/** Draws one of a rule's targets by weight; null if the target cannot be kept (keptTarget()). */
export function drawTarget(view: SnapshotView, rule: u32, random: Random): Target | null {
  let count: u32 = 1;
  while (rule + count < view.ruleCount && continuesRule(view, rule + count)) count++;
  let total: u32 = 0;
  for (let i: u32 = 0; i < count; i++) total += ruleWeight(view, rule + i);
  let at: u32 = 0;
  if (total == 0) at = random.next() % count;
  else {
    let rest = random.next() % total;
    while (rest >= ruleWeight(view, rule + at)) rest -= ruleWeight(view, rule + at++);
  }
  return keptTarget(ruleTarget(view, rule + at), ruleTargetLength(view, rule + at));
}

/** Finds or keeps the target with this name; null if the name needs escapes in JSON, or too many names are kept. */
export function keptTarget(name: usize, length: u32): Target | null {
  if (!targets) {
    targets = heap.alloc(SLOTS * sizeof<usize>());
    memory.fill(targets, 0, SLOTS * sizeof<usize>());
  }
  let i = <u32>(textHash(name, length) >> 16) & (SLOTS - 1);
  while (true) {
    const slot = targets + i * sizeof<usize>();
    const known = load<usize>(slot);
    if (!known) break;
    const target = changetype<Target>(known);
    if (bytesEqual(target.model, target.length, name, length)) return target;
    i = (i + 1) & (SLOTS - 1);
  }
  if (kept == MAX_KEPT || !isPlain(name, length)) return null;
  kept++;
  const made = heap.alloc(offsetof<Target>() + length);
  const target = changetype<Target>(made);
  target.model = made + offsetof<Target>();
  target.length = length;
  target.weight = 1;
  memory.copy(target.model, name, length);
  store<usize>(targets + i * sizeof<usize>(), made);
  return target;
}

/** Whether the name needs no escapes between the quotes of a JSON string. */
function isPlain(name: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) {
    const c: u32 = load<u8>(name + i);
    if (c == 0x22 || c == 0x5c) return false;
  }
  return true;
}
