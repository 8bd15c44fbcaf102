// The filter's configuration: JSON in the plugin's `configuration`. Every key is optional; a key that is not known, a
// value of another type or out of range refuses the configuration with a line that names key, value and expectation.
//
//   role                   single                  single: the only filter; reader, holder: two in a row (filter/setup/reader-holder.ts)
//   snapshot.path          /.pilotfish/snapshot    where snapshots are POSTed to and read back from
//   snapshot.secret        $PILOTFISH_SECRET       shared secret of pushes and read-backs, 16...256 characters; or a list of up to 4
//   snapshot.staleAfter    2s                      age from which a snapshot is not used any more
//   snapshot.maxBytes      1048576                 larger pushes are refused with 413
//   body.*, plugins        body.ts
//   models.*               names.ts
//   pick.*                 pick.ts
//   log.*                  log.ts
//   admission.*            admission.ts
//   paths                  []                      templates such as /openai/deployments/{model}/ : paths.ts
import { JSON } from "json-as";
import {
  MAX_SNAPSHOT_BYTES,
  RESERVED_PREFIX,
  SECRET_ENV,
  SECRET_NEXT_ENV,
  SNAPSHOT_PATH,
} from "../../protocol/constants";
import { Bytes, bytesOf } from "../base/bytes";
import { environmentVariable } from "../host/environment";
import { syntaxError } from "../scan/json/document";
import { AdmissionConfig, readAdmission } from "./admission";
import { BodyConfig, finishBody, readBody, readPlugins } from "./body";
import { LogConfig, readLog } from "./log";
import { ModelsConfig, readModels } from "./names";
import { readPaths } from "./paths";
import { finishPick, PickConfig, readPick } from "./pick";
import {
  clearProblem,
  fail,
  failKey,
  firstProblem,
  isArray,
  isString,
  readArray,
  readChoice,
  readDuration,
  readInteger,
  readObject,
  report,
} from "./values";

/** The only filter, with allow_on_headers_stop_iteration; or one of two without it (filter/setup/reader-holder.ts). */
export const ROLE_SINGLE: u32 = 0;
export const ROLE_READER: u32 = 1;
export const ROLE_HOLDER: u32 = 2;

const MOST_SECRETS: i32 = 4;

export class Config {
  role: u32 = ROLE_SINGLE;
  path: Bytes = bytesOf(SNAPSHOT_PATH);
  /** None: every push is refused. */
  secrets: Bytes[] = [];
  staleAfterMilliseconds: u32 = 2000;
  maxBytes: u32 = MAX_SNAPSHOT_BYTES;
  body: BodyConfig = new BodyConfig();
  models: ModelsConfig = new ModelsConfig();
  pick: PickConfig = new PickConfig();
  admission: AdmissionConfig = new AdmissionConfig();
  /** route/paths.ts; 0 without templates. */
  paths: usize = 0;
  log: LogConfig = new LogConfig();
}

/** What parseConfig() found wrong, one sentence; empty when nothing was. */
export function configProblem(): string {
  return firstProblem();
}

/** null, and configProblem() says why, when `text` is not a configuration. An empty text is the default. */
export function parseConfig(text: string): Config | null {
  clearProblem();
  const config = new Config();
  if (text.length) {
    const problem = syntaxError(text);
    if (problem.length) report(`configuration: ${problem}`);
    else readRoot(config, JSON.parse<JSON.Obj>(text));
  }
  if (config.secrets.length == 0) {
    readVariable(config, SECRET_ENV);
    readVariable(config, SECRET_NEXT_ENV);
  }
  finishPick(config.pick, config.staleAfterMilliseconds);
  finishBody(config.body, config.pick.readsPrompts, config.pick.responses);
  return firstProblem().length ? null : config;
}

function readRoot(config: Config, root: JSON.Obj): void {
  const keys = root.keys();
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const value = root.get(key)!;
    if (key == "role") config.role = readChoice(key, value, ["single", "reader", "holder"]);
    else if (key == "snapshot") readSnapshot(config, readObject(key, value));
    else if (key == "body") readBody(config.body, value);
    else if (key == "plugins") readPlugins(config.body, value);
    else if (key == "models") readModels(config.models, value);
    else if (key == "pick") readPick(config.pick, value);
    else if (key == "admission") readAdmission(config.admission, value);
    else if (key == "paths") config.paths = readPaths(value);
    else if (key == "log") readLog(config.log, value);
    else failKey(key, "role, snapshot, body, plugins, models, pick, admission, paths, log");
  }
}

function readSnapshot(config: Config, snapshot: JSON.Obj): void {
  const keys = snapshot.keys();
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const name = `snapshot.${key}`;
    const value = snapshot.get(key)!;
    if (key == "path") {
      const path = isString(value) ? value.get<string>() : "";
      if (path.startsWith(RESERVED_PREFIX) && path.length <= 256 && !path.includes("?")) config.path = bytesOf(path);
      else fail(name, value, `a path under ${RESERVED_PREFIX} without a query, at most 256 characters,`);
    } else if (key == "secret") readSecrets(config, value, name);
    else if (key == "staleAfter") config.staleAfterMilliseconds = readDuration(name, value, 100, 3600000);
    else if (key == "maxBytes") config.maxBytes = readInteger(name, value, 4096, MAX_SNAPSHOT_BYTES);
    else failKey(name, "path, secret, staleAfter, maxBytes");
  }
}

/** One, or several while they change (docs/how-to/secrets.md). */
function readSecrets(config: Config, value: JSON.Value, name: string): void {
  if (!isArray(value)) return readSecret(config, isString(value) ? value.get<string>() : "", name);
  const given = readArray(name, value);
  if (given.length < 1 || given.length > MOST_SECRETS)
    return report(`${name}: a list of ${given.length} given, 1 to ${MOST_SECRETS} secrets are expected`);
  for (let i = 0; i < given.length; i++) {
    const one = given.at(i);
    readSecret(config, isString(one) ? one.get<string>() : "", `${name}[${i}]`);
  }
}

function readVariable(config: Config, variable: string): void {
  const secret = environmentVariable(variable);
  if (secret !== null && secret.length) readSecret(config, secret, `environment variable ${variable}`);
}

/** Never quotes the secret. */
function readSecret(config: Config, secret: string, name: string): void {
  if (secret.length < 16 || secret.length > 256)
    return report(`${name}: ${secret.length} characters given, 16 to 256 are expected`);
  for (let i = 0; i < secret.length; i++) {
    const c = secret.charCodeAt(i);
    if (c > 0x20 && c < 0x7f) continue;
    return report(`${name}: visible ASCII characters are expected, character ${i} is none`);
  }
  config.secrets.push(bytesOf(secret));
}
