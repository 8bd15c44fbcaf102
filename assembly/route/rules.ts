// The snapshot's rules for names (InferenceModelRewrite, InferenceModel): a rule for the name beats one for any name, one for
// the name's pool beats one for all pools. The configuration's rules (names.ts) win over them.
//
// A request remembers its target until its answer is over, while snapshots come and go. So targets are kept once for each
// name that was ever drawn, up to MOST_TARGETS; names beyond are not replaced.

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
import { findModel } from "./models";
import { Target } from "./names";

const MOST_TARGETS: u32 = 4096;
const SLOTS: u32 = 8192;

/** usize of a Target per slot, open addressing by the hash of the name. */
let targets: usize = 0;
let kept: u32 = 0;

/** First record of the rule for a name; NONE when there is none. */
export function ruleFor(view: SnapshotView, name: usize, length: u32): u32 {
  if (view.ruleCount == 0) return NONE;
  const model = findModel(view, name, length);
  const place = model == NONE ? 0 : modelPool(view, model);
  const exact = findRule(view, name, length, place);
  if (exact != NONE) return exact;
  // Where a name is of no pool, only the single pool that there is may speak for it.
  const owner = place == 0 && view.poolCount == 1 ? 1 : place;
  for (let i: u32 = 0; i < view.ruleCount && ruleNameLength(view, i) == 0; i++) {
    if (owner != 0 && rulePool(view, i) == owner) return i;
  }
  return ruleNameLength(view, 0) == 0 && rulePool(view, 0) == 0 ? 0 : NONE;
}

/** Draws one of a rule's targets; null when it stands for nothing that can be written into a body. */
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

/** A target that stays; null when the name cannot be written into a body, or too many are kept. */
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
    if (target.length == length && memory.compare(target.model, name, length) == 0) return target;
    i = (i + 1) & (SLOTS - 1);
  }
  if (kept == MOST_TARGETS || !isPlain(name, length)) return null;
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

/** May stand between quotes as it is. */
function isPlain(name: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) {
    const c: u32 = load<u8>(name + i);
    if (c == 0x22 || c == 0x5c) return false;
  }
  return true;
}
