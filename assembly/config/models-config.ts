// The section `models` as the filter uses it: rules by name.
import { bytesOf } from "../base/bytes";
import { addRule, addTarget, Names, newNames } from "../route/configured-rules";
import { ModelsSettings, RuleSettings } from "./generated/models-settings";
import { Problems } from "./problems";
import { Section } from "./section";

export class ModelsConfig extends ModelsSettings {
  /** The rules of `models.rules`, which turn a client's name for a model into a served name. */
  names: Names = newNames();
  /** Whether `names` has any rule. */
  hasRules: bool = false;

  constructor(section: Section) {
    super(section);
  }
}

/** Call after the last key was read. */
export function finishModels(problems: Problems, config: ModelsConfig): void {
  for (let i = 0; i < config.rules.length; i++)
    finishRule(problems, `models.rules[${i}]`, config.rules[i], config.names);
  config.hasRules = config.rules.length > 0;
}

function finishRule(problems: Problems, key: string, rule: RuleSettings, names: Names): void {
  const targets = rule.targets;
  if ((rule.model.length == 0) == (targets.length == 0))
    return problems.add(`${key}: one of model and targets is expected`);
  const isPrefix = rule.name.endsWith("*");
  const name = bytesOf(isPrefix ? rule.name.substring(0, rule.name.length - 1) : rule.name);
  const added = addRule(names, name.pointer, name.length, isPrefix, max(targets.length, 1));
  if (!added) return problems.add(`${key}.name: ${rule.name} given twice, each name once is expected`);
  if (rule.model.length) return add(added, rule.model, 1);
  for (let i = 0; i < targets.length; i++) add(added, targets[i].model, targets[i].weight);
}

function add(rule: usize, model: string, weight: u32): void {
  const bytes = bytesOf(model);
  addTarget(rule, bytes.pointer, bytes.length, weight);
}
