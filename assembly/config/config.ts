// The filter's configuration: JSON in the plugin's `configuration`. Every key is optional. The tables in schemas/filter/ have the
// type, default, range and description of every key. The readers in generated/ are generated from these tables. The finish...()
// function of a section's file derives the values that the filter needs beside the keys.
import { JSON } from "json-as";
import { SECRET_ENV, SECRET_NEXT_ENV } from "../../protocol/constants";
import { environmentVariable } from "../host/environment";
import { syntaxError } from "../scan/json/document";
import { finishAdmission } from "./admission-config";
import { finishBody } from "./body-config";
import { FilterSettings } from "./generated/filter-settings";
import { Given } from "./given";
import { finishModels } from "./models-config";
import { finishPick } from "./pick-config";
import { Problems } from "./problems";
import { addSecret } from "./secret-values";
import { Section } from "./section";

export { ROLE_HOLDER, ROLE_READER, ROLE_SINGLE } from "./generated/filter-settings";

export class Config extends FilterSettings {
  constructor(section: Section) {
    super(section);
  }
}

/** Parses the configuration. Returns null after a problem; `problems` then has the reason. An empty text is the default configuration. */
export function parseConfig(text: string, problems: Problems): Config | null {
  const problem = text.length ? syntaxError(text) : "";
  if (problem.length) problems.add(`configuration: ${problem}`);
  let given: Given | null = null;
  if (text.length && !problem.length)
    given = new Given(problems, "configuration", JSON.Value.from(JSON.parse<JSON.Obj>(text)));
  const config = new Config(new Section(problems, "", given));
  if (!config.snapshot.secrets.length) {
    addVariable(problems, SECRET_ENV, config);
    addVariable(problems, SECRET_NEXT_ENV, config);
  }
  finishModels(problems, config.models);
  finishAdmission(config.admission);
  finishPick(problems, config.pick, config.snapshot.staleAfter);
  finishBody(problems, config.body, config.plugins, config.pick.readsPrompts, config.pick.responses);
  return problems.first.length ? null : config;
}

function addVariable(problems: Problems, variable: string, config: Config): void {
  const secret = environmentVariable(variable);
  if (secret !== null && secret.length)
    addSecret(problems, `environment variable ${variable}`, secret, config.snapshot.secrets);
}
