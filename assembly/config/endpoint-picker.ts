// Turns `pick.config`, the endpoint picker's configuration (schemas/filter/endpoint-picker-rows.ts), into a profile. The rules are
// the endpoint picker's: a configuration has at most one profile. Without a profile all plugins are used. A scorer is used if the
// profile refers to it. Without a picker max-score-picker is used. Some plugins do work that Pilotfish does elsewhere, such as reading
// metrics, parsing bodies and queueing. They have no effect here, and a log line names them. The filter refuses a configuration with
// an unknown plugin.
import { addScorer, KIND_SCORERS, newProfile, Profile, pickerNames } from "../pick/profile";
import { SCORE_LOAD, SCORE_TOKENS, scorerByName, scorerNames } from "../pick/scorers";
import { EndpointPickerSettings, PickerPluginSettings } from "./generated/pick-settings";
import { Given } from "./given";
import { Problems } from "./problems";

/** Plugins that have no effect here. */
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

/** Defaults of token-load-scorer's `queueThresholdTokens` and of load-aware-scorer's `threshold`. */
const TOKEN_LIMIT: f64 = 4194304;
const QUEUE_LIMIT: f64 = 128;

/** Makes the profile. `key` is the configuration's key, `pick.config`, for error messages. */
export function endpointPickerProfile(problems: Problems, key: string, given: EndpointPickerSettings): Profile {
  const profile = newProfile(KIND_SCORERS);
  const plugins = given.plugins;
  for (let i = 0; i < plugins.length; i++) {
    const at = `${key}.plugins[${i}]`;
    if (findPlugin(plugins, nameOf(plugins[i])) < i)
      problems.add(`${at}.name: ${nameOf(plugins[i])} given twice, each name once is expected`);
    checkPlugin(problems, at, plugins[i]);
  }
  if (!given.schedulingProfiles.length) {
    for (let i = 0; i < plugins.length; i++) use(problems, `${key}.plugins[${i}]`, profile, plugins[i], 1);
    return profile;
  }
  const references = given.schedulingProfiles[0].plugins;
  for (let i = 0; i < references.length; i++) {
    const at = `${key}.schedulingProfiles[0].plugins[${i}]`;
    const plugin = findPlugin(plugins, references[i].pluginRef);
    if (plugin < 0)
      problems.add(`${at}.pluginRef: "${references[i].pluginRef}" given, the name of one of the plugins is expected`);
    else use(problems, at, profile, plugins[plugin], references[i].weight);
  }
  return profile;
}

/** Returns the types of the given plugins that have no effect here. */
export function ignoredPlugins(given: EndpointPickerSettings): string[] {
  const ignored: string[] = [];
  for (let i = 0; i < given.plugins.length; i++)
    if (ELSEWHERE.includes(given.plugins[i].type)) ignored.push(given.plugins[i].type);
  return ignored;
}

function nameOf(plugin: PickerPluginSettings): string {
  return plugin.name.length ? plugin.name : plugin.type;
}

function findPlugin(plugins: PickerPluginSettings[], name: string): i32 {
  for (let i = 0; i < plugins.length; i++) if (nameOf(plugins[i]) == name) return i;
  return -1;
}

function checkPlugin(problems: Problems, key: string, plugin: PickerPluginSettings): void {
  const type = plugin.type;
  if (scorerByName(type) >= 0 || pickerNames().includes(type) || ELSEWHERE.includes(type)) return;
  const known = scorerNames().concat(pickerNames()).concat(ELSEWHERE).join(", ");
  problems.add(`${key}.type: ${type} given, one of ${known} is expected`);
}

function use(problems: Problems, key: string, profile: Profile, plugin: PickerPluginSettings, weight: f64): void {
  const picker = pickerNames().indexOf(plugin.type);
  if (picker >= 0) profile.picker = picker;
  const scorer = scorerByName(plugin.type);
  if (scorer < 0) return;
  let parameter: f64 = 0;
  if (scorer == SCORE_TOKENS) parameter = limitOf(plugin, "queueThresholdTokens", TOKEN_LIMIT);
  if (scorer == SCORE_LOAD) parameter = limitOf(plugin, "threshold", QUEUE_LIMIT);
  if (!addScorer(profile, scorer, weight, parameter)) problems.add(`${key}: more scorers than fit`);
}

/** Returns a plugin's parameter. As in the endpoint picker, a missing parameter or one that is not above 0 counts as `usual`. */
function limitOf(plugin: PickerPluginSettings, name: string, usual: f64): f64 {
  const parameters = plugin.parameters;
  if (parameters === null) return usual;
  const value = parameters.object.get(name);
  if (value === null) return usual;
  const given = new Given(parameters.problems, `${parameters.key}.${name}`, value);
  const number = given.number;
  if (number != number) given.wrong("a number");
  return number > 0 ? number : usual;
}
