// Reads `plugins`: the plugins of the Gateway API Inference Extension's body-based router. Each plugin is written as the router's flag
// or as an object of the chart's values.
import { JSON } from "json-as";
import { syntaxError } from "../scan/json/document";
import { PluginFieldSettings, PluginSettings } from "./generated/plugins-settings";
import { Given } from "./given";
import { Section } from "./section";

/** What all plugins configure together. Given plugins replace the default plugins, as in the router. */
export class Plugins {
  fields: PluginFieldSettings[] = [];
  /** Whether the base model's header is written. */
  baseModel: bool = false;
}

export function readPlugins(given: Given): Plugins {
  const plugins = new Plugins();
  const list = given.list(i32.MAX_VALUE);
  for (let i = 0; i < list.length; i++) {
    if (list[i].isText) readFlag(list[i], plugins);
    else {
      const plugin = new PluginSettings(new Section(given.problems, list[i].key, list[i]));
      use(list[i], plugin.type, plugin.json, plugins);
    }
  }
  return plugins;
}

/** Reads the value of the router's flag --plugin, "type:name" or "type:name:json". */
function readFlag(given: Given, plugins: Plugins): void {
  const flag = given.text;
  const first = flag.indexOf(":");
  const second = first < 0 ? -1 : flag.indexOf(":", first + 1);
  const type = first < 0 ? flag : flag.substring(0, first);
  if (second < 0) return use(given, type, null, plugins);
  const json = flag.substring(second + 1);
  if (json.length < 2 || json.charAt(0) != "{" || json.charAt(json.length - 1) != "}")
    return given.wrong('"type:name:{...}"');
  const problem = syntaxError(json);
  if (problem.length) return given.problems.add(`${given.key}: ${problem}`);
  const value = JSON.Value.from(JSON.parse<JSON.Obj>(json));
  use(given, type, new Given(given.problems, `${given.key}.json`, value), plugins);
}

function use(given: Given, type: string, json: Given | null, plugins: Plugins): void {
  const problems = given.problems;
  if (type == "base-model-to-header") plugins.baseModel = true;
  else if (type != "body-field-to-header")
    problems.add(`${given.key}.type: ${type} given, body-field-to-header or base-model-to-header is expected`);
  else if (json === null) problems.add(`${given.key}.json: missing, {fieldName, headerName} is expected`);
  else plugins.fields.push(new PluginFieldSettings(new Section(problems, json.key, json)));
}
