// Names that clients use for models, and what they stand for.
//
//   rule     = pattern { target }          pattern = exact name | prefix "*"          target = model, weight
//
// An exact pattern beats a prefix, a longer prefix a shorter one, the earlier of two equal ones wins. One of the targets
// is drawn by weight; a total weight of 0 draws uniformly (InferenceModelRewrite and InferenceModel of the Gateway API
// Inference Extension). A name without a rule stands for itself. Rules do not chain.
import { Random } from "../base/random";
import { compareBytes } from "../snapshot/view";

@unmanaged
export class Target {
  model: usize = 0;
  length: u32 = 0;
  weight: u32 = 0;
}

@unmanaged
class Rule {
  /** Without its "*". */
  pattern: usize = 0;
  length: u32 = 0;
  prefix: u32 = 0;
  targets: usize = 0;
  targetCount: u32 = 0;
  totalWeight: u32 = 0;
  next: usize = 0;
}

/** Exact rules in a list by name, prefix rules in a list from the longest to the shortest. */
@unmanaged
export class Names {
  exact: usize = 0;
  prefixes: usize = 0;
}

export function newNames(): Names {
  const names = changetype<Names>(heap.alloc(offsetof<Names>()));
  names.exact = 0;
  names.prefixes = 0;
  return names;
}

/** Adds a rule with room for `targets`; 0 when the pattern is there already. The bytes must stay. */
export function addRule(names: Names, pattern: usize, length: u32, prefix: bool, targets: u32): usize {
  const head = prefix ? changetype<usize>(names) + offsetof<Names>("prefixes") : changetype<usize>(names);
  let link = head;
  while (load<usize>(link)) {
    const other = changetype<Rule>(load<usize>(link));
    const order = compareBytes(other.pattern, other.length, pattern, length);
    if (order == 0) return 0;
    if (prefix ? length > other.length : order > 0) break;
    link = changetype<usize>(other) + offsetof<Rule>("next");
  }
  const rule = changetype<Rule>(heap.alloc(offsetof<Rule>()));
  rule.pattern = pattern;
  rule.length = length;
  rule.prefix = prefix ? 1 : 0;
  rule.targets = heap.alloc(max<u32>(targets, 1) * offsetof<Target>());
  rule.targetCount = 0;
  rule.totalWeight = 0;
  rule.next = load<usize>(link);
  store<usize>(link, changetype<usize>(rule));
  return changetype<usize>(rule);
}

/** `rule` as addRule() returned it; the caller keeps to the room it asked for and to MAX_WEIGHT. */
export function addTarget(rule: usize, model: usize, length: u32, weight: u32): void {
  const to = changetype<Rule>(rule);
  const target = changetype<Target>(to.targets + to.targetCount++ * offsetof<Target>());
  target.model = model;
  target.length = length;
  target.weight = weight;
  to.totalWeight += weight;
}

/** What a name stands for; null when no rule says anything about it. */
export function resolve(names: Names, name: usize, length: u32, random: Random): Target | null {
  const exact = findExact(names, name, length);
  if (exact) return draw(changetype<Rule>(exact), random);
  for (let at = names.prefixes; at; at = changetype<Rule>(at).next) {
    const rule = changetype<Rule>(at);
    if (rule.length <= length && memory.compare(rule.pattern, name, rule.length) == 0) return draw(rule, random);
  }
  return null;
}

function draw(rule: Rule, random: Random): Target | null {
  if (rule.targetCount == 0) return null;
  let at: u32 = 0;
  if (rule.totalWeight == 0) at = random.next() % rule.targetCount;
  else {
    let rest = random.next() % rule.totalWeight;
    while (rest >= changetype<Target>(rule.targets + at * offsetof<Target>()).weight) {
      rest -= changetype<Target>(rule.targets + at * offsetof<Target>()).weight;
      at++;
    }
  }
  return changetype<Target>(rule.targets + at * offsetof<Target>());
}

/** The rule for exactly this name; 0: there is none. */
export function findExact(names: Names, name: usize, length: u32): usize {
  for (let at = names.exact; at; at = changetype<Rule>(at).next) {
    const rule = changetype<Rule>(at);
    if (rule.length == length && memory.compare(rule.pattern, name, length) == 0) return at;
  }
  return 0;
}

/** The exact names in order, for listing: call with 0 first; 0 when there are no more. */
export function nextExact(names: Names, rule: usize): usize {
  return rule ? changetype<Rule>(rule).next : names.exact;
}
export function rulePattern(rule: usize): usize {
  return changetype<Rule>(rule).pattern;
}
export function ruleLength(rule: usize): u32 {
  return changetype<Rule>(rule).length;
}
export function ruleTarget(rule: usize): Target | null {
  const owner = changetype<Rule>(rule);
  return owner.targetCount ? changetype<Target>(owner.targets) : null;
}
