// `pick.config`: the configuration of the Gateway API's endpoint picker, as it is (inference.networking.x-k8s.io/v1alpha1,
// read in v1.5.0; llm-d.ai/v1alpha1 and v1 have the same shape).
//
//   {apiVersion, kind: EndpointPickerConfig,
//    plugins: [{type, name, parameters}],                      name: the type, where none is given
//    schedulingProfiles: [{name, plugins: [{pluginRef, weight}]}],   weight: 1, where none is given
//    featureGates, saturationDetector, dataLayer, flowControl, parser, requestHandler}
//
// As there: one profile; without one it has all plugins; without a picker it is max-score-picker; a scorer counts when the
// profile refers to it. Plugins that the endpoint picker needs for what happens elsewhere here (reading metrics, parsing
// bodies, queues) are taken and named in the log. What nobody knows refuses the configuration.
import { JSON } from "json-as";
import { addScorer, KIND_SCORERS, newProfile, pickerNames } from "../pick/profile";
import { SCORE_LOAD, SCORE_TOKENS, scorerByName, scorerNames } from "../pick/scorers";
import { PickConfig } from "./pick";
import { fail, failKey, isString, readArray, readObject, report } from "./values";

/** What they do happens elsewhere here, or not at all. */
const ELSEWHERE: string[] = [
  "single-profile-handler",
  "metrics-data-source",
  "core-metrics-extractor",
  "k8s-notification-source",
  "endpoint-notification-source",
  "approx-prefix-cache-producer",
  "inflight-load-producer",
  "predicted-latency-producer",
  "request-attribute-reporter",
  "openai-parser",
  "passthrough-parser",
  "vllmgrpc-parser",
  "utilization-detector",
  "concurrency-detector",
  "latency-slo-admitter",
  "slo-headroom-tier-filter",
  "prefix-cache-affinity-filter",
  "global-strict-fairness-policy",
  "round-robin-fairness-policy",
  "fcfs-ordering-policy",
  "edf-ordering-policy",
  "slo-deadline-ordering-policy",
  "static-usage-limit-policy",
  "eviction-sheddable-filter",
  "eviction-priority-then-time-ordering",
];

/** token-load-scorer's queueThresholdTokens, load-aware-scorer's threshold. */
const TOKEN_LIMIT: f64 = 4194304;
const QUEUE_LIMIT: f64 = 128;

/** A plugin of the list. */
class Plugin {
  constructor(
    public name: string,
    public scorer: i32,
    public picker: i32,
    public parameter: f64,
  ) {}
}

export function readEndpointPicker(config: PickConfig, key: string, value: JSON.Value): void {
  const root = readObject(key, value);
  const keys = root.keys();
  const plugins: Plugin[] = [];
  let profiles: JSON.Arr | null = null;
  for (let i = 0; i < keys.length; i++) {
    const name = `${key}.${keys[i]}`;
    const given = root.get(keys[i])!;
    const k = keys[i];
    if (k == "kind") {
      if (!isString(given) || given.get<string>() != "EndpointPickerConfig") fail(name, given, "EndpointPickerConfig");
    } else if (k == "plugins") readPluginList(config, plugins, name, readArray(name, given));
    else if (k == "schedulingProfiles") profiles = readArray(name, given);
    else if (!OTHER_KEYS.includes(k)) failKey(name, `kind, plugins, schedulingProfiles, ${OTHER_KEYS.join(", ")}`);
  }
  if (root.get("plugins") === null) return report(`${key}.plugins: missing, a list of plugins is expected`);
  config.profile = newProfile(KIND_SCORERS);
  if (profiles === null || profiles.length == 0) {
    for (let i = 0; i < plugins.length; i++) use(config, key, plugins[i], 1);
  } else if (profiles.length > 1) {
    report(`${key}.schedulingProfiles: ${profiles.length} given, 1 is expected`);
  } else readProfile(config, plugins, `${key}.schedulingProfiles[0]`, profiles.at(0));
}

const OTHER_KEYS: string[] = [
  "apiVersion",
  "featureGates",
  "saturationDetector",
  "dataLayer",
  "flowControl",
  "parser",
  "requestHandler",
];

function readPluginList(config: PickConfig, plugins: Plugin[], key: string, list: JSON.Arr): void {
  for (let i = 0; i < list.length; i++) {
    const name = `${key}[${i}]`;
    const plugin = readObject(name, list.at(i));
    const keys = plugin.keys();
    for (let k = 0; k < keys.length; k++)
      if (keys[k] != "type" && keys[k] != "name" && keys[k] != "parameters")
        failKey(`${name}.${keys[k]}`, "type, name, parameters");
    const type = plugin.get("type");
    if (type === null || !isString(type)) return report(`${name}.type: the type of a plugin is expected`);
    const given = plugin.get("name");
    if (given !== null && !isString(given)) return fail(`${name}.name`, given, "a name");
    const called = given !== null && given.get<string>().length ? given.get<string>() : type.get<string>();
    if (findPlugin(plugins, called) !== null)
      return report(`${name}.name: ${called} given twice, each name once is expected`);
    plugins.push(newPlugin(config, name, called, type.get<string>(), plugin.get("parameters")));
  }
}

function newPlugin(config: PickConfig, key: string, name: string, type: string, parameters: JSON.Value | null): Plugin {
  const scorer = scorerByName(type);
  const picker = pickerNames().indexOf(type);
  if (scorer < 0 && picker < 0) {
    if (ELSEWHERE.includes(type)) config.ignored.push(type);
    else
      report(
        `${key}.type: ${type} given, one of ${scorerNames().join(", ")}, ${pickerNames().join(", ")}, ${ELSEWHERE.join(", ")} is expected`,
      );
  }
  let parameter: f64 = 0;
  if (scorer == SCORE_TOKENS) parameter = readLimit(key, parameters, "queueThresholdTokens", TOKEN_LIMIT);
  if (scorer == SCORE_LOAD) parameter = readLimit(key, parameters, "threshold", QUEUE_LIMIT);
  return new Plugin(name, scorer, picker, parameter);
}

/** A number above 0; as there, anything else is the default. */
function readLimit(key: string, parameters: JSON.Value | null, name: string, usual: f64): f64 {
  if (parameters === null) return usual;
  const given = readObject(`${key}.parameters`, parameters).get(name);
  if (given === null) return usual;
  const number = given.type == JSON.Types.F64 ? given.get<f64>() : NaN;
  if (number != number) {
    fail(`${key}.parameters.${name}`, given, "a number");
    return usual;
  }
  return number > 0 ? number : usual;
}

function readProfile(config: PickConfig, plugins: Plugin[], key: string, value: JSON.Value): void {
  const profile = readObject(key, value);
  const keys = profile.keys();
  for (let i = 0; i < keys.length; i++)
    if (keys[i] != "name" && keys[i] != "plugins") failKey(`${key}.${keys[i]}`, "name, plugins");
  const name = profile.get("name");
  if (name === null || !isString(name) || !name.get<string>().length)
    return report(`${key}.name: missing, a name is expected`);
  const given = profile.get("plugins");
  if (given === null) return;
  const list = readArray(`${key}.plugins`, given);
  for (let i = 0; i < list.length; i++) {
    const at = `${key}.plugins[${i}]`;
    const entry = readObject(at, list.at(i));
    const names = entry.keys();
    for (let k = 0; k < names.length; k++)
      if (names[k] != "pluginRef" && names[k] != "weight") failKey(`${at}.${names[k]}`, "pluginRef, weight");
    const ref = entry.get("pluginRef");
    if (ref === null || !isString(ref)) return report(`${at}.pluginRef: missing, the name of a plugin is expected`);
    const plugin = findPlugin(plugins, ref.get<string>());
    if (plugin === null) return fail(`${at}.pluginRef`, ref, "the name of one of the plugins");
    use(config, at, plugin, readWeight(at, entry.get("weight")));
  }
}

function readWeight(key: string, value: JSON.Value | null): f64 {
  if (value === null || value.type == JSON.Types.Null) return 1;
  const number = value.type == JSON.Types.F64 ? value.get<f64>() : NaN;
  if (number >= 0 && number <= 1e6) return number;
  fail(`${key}.weight`, value, "a number from 0 to 1000000");
  return 1;
}

function findPlugin(plugins: Plugin[], name: string): Plugin | null {
  for (let i = 0; i < plugins.length; i++) if (plugins[i].name == name) return plugins[i];
  return null;
}

function use(config: PickConfig, key: string, plugin: Plugin, weight: f64): void {
  if (plugin.picker >= 0) config.profile.picker = plugin.picker;
  if (plugin.scorer < 0) return;
  if (!addScorer(config.profile, plugin.scorer, weight, plugin.parameter)) report(`${key}: more scorers than fit`);
}
