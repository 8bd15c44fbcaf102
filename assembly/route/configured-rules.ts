// The configuration's name rules: which model is served for the name that a client asks for.
//
//   rule     = pattern { target }          pattern = exact name | prefix "*"          target = model, weight
//
// An exact pattern beats a prefix, and a longer prefix beats a shorter one. No two patterns are equal: such a configuration is
// refused (config/models-config.ts). One of the targets is drawn by weight. If all weights are 0, all targets are equally likely
// (InferenceModelRewrite and InferenceModel of the Gateway API Inference Extension). A name without a rule stands for itself.
// Rules do not chain.
import { bytesEqual, compareBytes, startsWith } from "../base/bytes";
import { Random } from "../base/random";

@unmanaged
export class Target {
  model: usize = 0;
  length: u32 = 0;
  weight: u32 = 0;
}

@unmanaged
class Rule {
  /** Address of the pattern, without its "*". */
  pattern: usize = 0;
  length: u32 = 0;
  prefix: u32 = 0;
  targets: usize = 0;
  targetCount: u32 = 0;
  totalWeight: u32 = 0;
  next: usize = 0;
}

/** Two linked lists of rules: exact rules in the order of their names, and prefix rules from the longest to the shortest. */
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

/** Adds a rule with room for `targets` targets, and returns its address; 0 if a rule has the pattern. The bytes must stay. */
export function addRule(names: Names, pattern: usize, length: u32, prefix: bool, targets: u32): usize {
  let link = changetype<usize>(names) + (prefix ? offsetof<Names>("prefixes") : offsetof<Names>("exact"));
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

/** Adds a target. `rule`: from addRule(), which made room for the rule's targets. `weight`: at most MAX_WEIGHT. */
export function addTarget(rule: usize, model: usize, length: u32, weight: u32): void {
  const to = changetype<Rule>(rule);
  const target = changetype<Target>(to.targets + to.targetCount++ * offsetof<Target>());
  target.model = model;
  target.length = length;
  target.weight = weight;
  to.totalWeight += weight;
}

/** Draws the target that is served for a name; null if no rule fits the name. */
export function resolve(names: Names, name: usize, length: u32, random: Random): Target | null {
  const exact = findExact(names, name, length);
  if (exact) return draw(changetype<Rule>(exact), random);
  for (let at = names.prefixes; at; at = changetype<Rule>(at).next) {
    const rule = changetype<Rule>(at);
    if (startsWith(name, length, rule.pattern, rule.length)) return draw(rule, random);
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

/** The rule whose pattern is exactly this name; 0 if there is no such rule. */
export function findExact(names: Names, name: usize, length: u32): usize {
  for (let at = names.exact; at; at = changetype<Rule>(at).next) {
    const rule = changetype<Rule>(at);
    if (bytesEqual(rule.pattern, rule.length, name, length)) return at;
  }
  return 0;
}

/** The exact rule after `rule` in the order of names. For 0 it is the first rule; after the last rule it is 0. */
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
