// The part `models` of the configuration.
//
//   models.default     none     name used for a JSON body without `model`; a form stays as it is
//   models.unknown     pass     pass: the route decides; reject: 404 for a model that the snapshot does not have
//   models.rules       []       {name, model} or {name, targets: [{model, weight}]}; name may end with *
//   models.adapters    {}       adapter -> base model, where the snapshot does not say
//   models.list        true     answer GET /v1/models, and of one of them, from the snapshot

import { JSON } from "json-as";
import { MAX_TARGETS_OF_RULE, MAX_WEIGHT } from "../../protocol/constants";
import { Bytes, bytesOf } from "../base/bytes";
import { addRule, addTarget, Names, newNames } from "../route/names";
import {
  fail,
  failKey,
  readArray,
  readBoolean,
  readChoice,
  readInteger,
  readModelName,
  readObject,
  report,
} from "./values";

const MAX_RULES = 512;

export class ModelsConfig {
  /** Length 0: a body without `model` is passed on without a header. */
  defaultModel: Bytes = bytesOf("");
  rejectUnknown: bool = false;
  list: bool = true;
  names: Names = newNames();
  /** Whether `names` has a rule at all. */
  hasRules: bool = false;
  /** Adapter -> base, each rule with one target. */
  bases: Names = newNames();
}

export function readModels(config: ModelsConfig, value: JSON.Value): void {
  const models = readObject("models", value);
  const keys = models.keys();
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const name = `models.${key}`;
    const given = models.get(key)!;
    if (key == "default") config.defaultModel = bytesOf(readModelName(name, given));
    else if (key == "unknown") config.rejectUnknown = readChoice(name, given, ["pass", "reject"]) == 1;
    else if (key == "list") config.list = readBoolean(name, given);
    else if (key == "rules") readRules(config, name, given);
    else if (key == "adapters") readAdapters(config, name, given);
    else failKey(name, "default, unknown, rules, adapters, list");
  }
}

function readRules(config: ModelsConfig, key: string, value: JSON.Value): void {
  const rules = readArray(key, value);
  if (rules.length > MAX_RULES) report(`${key}: ${rules.length} rules given, at most ${MAX_RULES} are expected`);
  for (let i = 0; i < rules.length && i < MAX_RULES; i++) readRule(config, `${key}[${i}]`, rules.at(i));
  config.hasRules = rules.length > 0;
}

function readRule(config: ModelsConfig, key: string, value: JSON.Value): void {
  const rule = readObject(key, value);
  const keys = rule.keys();
  for (let i = 0; i < keys.length; i++) {
    if (keys[i] != "name" && keys[i] != "model" && keys[i] != "targets")
      failKey(`${key}.${keys[i]}`, "name, model, targets");
  }
  const name = rule.get("name");
  const model = rule.get("model");
  const targets = rule.get("targets");
  if (name === null) return report(`${key}.name: missing, a model name is expected`);
  if ((model === null) == (targets === null)) return report(`${key}: one of model and targets is expected`);
  const pattern = readPattern(`${key}.name`, name);
  const isPrefix = pattern.endsWith("*");
  const bytes = bytesOf(isPrefix ? pattern.substring(0, pattern.length - 1) : pattern);
  const list: JSON.Arr = targets === null ? new JSON.Arr() : readArray(`${key}.targets`, targets);
  const added = addRule(config.names, bytes.pointer, bytes.length, isPrefix, max(list.length, 1));
  if (!added) return report(`${key}.name: ${pattern} given twice, each name once is expected`);
  if (model !== null) {
    const only = bytesOf(readModelName(`${key}.model`, model));
    addTarget(added, only.pointer, only.length, 1);
    return;
  }
  if (list.length < 1 || list.length > <i32>MAX_TARGETS_OF_RULE)
    return report(`${key}.targets: ${list.length} given, 1 to ${MAX_TARGETS_OF_RULE} are expected`);
  for (let i = 0; i < list.length; i++) readTarget(added, `${key}.targets[${i}]`, list.at(i));
}

/** A model name, which may end with "*"; "*" alone matches every name. */
function readPattern(key: string, value: JSON.Value): string {
  if (value.type == JSON.Types.String && value.get<string>() == "*") return "*";
  const pattern = readModelName(key, value);
  const star = pattern.indexOf("*");
  if (star >= 0 && star != pattern.length - 1) fail(key, value, "a * nowhere but at the end");
  return pattern;
}

/** {model, weight} as Pilotfish, {name, weight} as InferenceModel and {modelRewrite, weight} as InferenceModelRewrite say. */
function readTarget(rule: usize, key: string, value: JSON.Value): void {
  const target = readObject(key, value);
  const keys = target.keys();
  let model = "";
  let weight: u32 = 1;
  for (let i = 0; i < keys.length; i++) {
    const given = target.get(keys[i])!;
    const name = `${key}.${keys[i]}`;
    if (keys[i] == "model" || keys[i] == "name" || keys[i] == "modelRewrite") model = readModelName(name, given);
    else if (keys[i] == "weight") weight = readInteger(name, given, 0, MAX_WEIGHT);
    else failKey(name, "model, weight");
  }
  if (!model.length) return report(`${key}.model: missing, a model name is expected`);
  const bytes = bytesOf(model);
  addTarget(rule, bytes.pointer, bytes.length, weight);
}

function readAdapters(config: ModelsConfig, key: string, value: JSON.Value): void {
  const adapters = readObject(key, value);
  const keys = adapters.keys();
  if (keys.length > MAX_RULES) report(`${key}: ${keys.length} adapters given, at most ${MAX_RULES} are expected`);
  for (let i = 0; i < keys.length && i < MAX_RULES; i++) {
    const adapter = bytesOf(keys[i]);
    const base = bytesOf(readModelName(`${key}.${keys[i]}`, adapters.get(keys[i])!));
    const rule = addRule(config.bases, adapter.pointer, adapter.length, false, 1);
    if (rule) addTarget(rule, base.pointer, base.length, 1);
  }
}
