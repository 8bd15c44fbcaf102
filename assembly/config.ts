// The filter's configuration: JSON in the plugin's `configuration`. Every key is optional; a key that is not known, a
// value of another type or out of range refuses the configuration with a line that names key, value and expectation.
//
//   key                    default                 meaning
//   snapshot.path          /.pilotfish/snapshot    where snapshots are POSTed to and read back from
//   snapshot.secret        $PILOTFISH_SECRET       shared secret of pushes and read-backs, 16...256 characters
//   snapshot.staleAfter    2s                      age from which a snapshot is not used any more
//   snapshot.maxBytes      1048576                 larger pushes are refused with 413
import { JSON } from "json-as";
import { MAX_SNAPSHOT_BYTES, RESERVED_PREFIX, SECRET_ENV, SNAPSHOT_PATH } from "../protocol/constants";
import { Bytes, bytesOf } from "./host/bytes";
import { environmentVariable } from "./host/environment";
import { syntaxError } from "./scan/document";

export class Config {
  path: Bytes = bytesOf(SNAPSHOT_PATH);
  /** Length 0: none was given, and every push is refused. */
  secret: Bytes = bytesOf("");
  staleAfterMilliseconds: u32 = 2000;
  maxBytes: u32 = MAX_SNAPSHOT_BYTES;
}

/** What parseConfig() found wrong, one sentence; empty when nothing was. */
export let configError: string = "";

/** null, and configError says why, when `text` is not a configuration. An empty text is the default. */
export function parseConfig(text: string): Config | null {
  configError = "";
  const config = new Config();
  const secret = environmentVariable(SECRET_ENV);
  if (secret !== null && secret.length) readSecret(config, secret, `environment variable ${SECRET_ENV}`);
  if (text.length && !configError.length) {
    const problem = syntaxError(text);
    if (problem.length) configError = `configuration: ${problem}`;
    else readRoot(config, JSON.parse<JSON.Obj>(text));
  }
  return configError.length ? null : config;
}

function readRoot(config: Config, root: JSON.Obj): void {
  const keys = root.keys();
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const value = root.get(key)!;
    if (key == "snapshot") {
      if (value.type != JSON.Types.Object) fail(key, value, "an object");
      else readSnapshot(config, value.get<JSON.Obj>());
    } else failKey(key, "snapshot");
  }
}

function readSnapshot(config: Config, snapshot: JSON.Obj): void {
  const keys = snapshot.keys();
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const name = `snapshot.${key}`;
    const value = snapshot.get(key)!;
    if (key == "path") {
      const path = text(value);
      if (!path.startsWith(RESERVED_PREFIX) || path.length > 256)
        fail(name, value, `a path under ${RESERVED_PREFIX}, at most 256 characters`);
      else config.path = bytesOf(path);
    } else if (key == "secret") {
      readSecret(config, text(value), name);
    } else if (key == "staleAfter") {
      const milliseconds = duration(value);
      if (milliseconds < 100 || milliseconds > 3600000) fail(name, value, 'a duration from "100ms" to "3600s"');
      else config.staleAfterMilliseconds = <u32>milliseconds;
    } else if (key == "maxBytes") {
      const bytes = value.type == JSON.Types.F64 ? value.get<f64>() : -1;
      if (bytes < 4096 || bytes > <f64>MAX_SNAPSHOT_BYTES || bytes != Math.floor(bytes))
        fail(name, value, `a whole number from 4096 to ${MAX_SNAPSHOT_BYTES}`);
      else config.maxBytes = <u32>bytes;
    } else failKey(name, "path, secret, staleAfter, maxBytes");
  }
}

/** Never quotes the secret. */
function readSecret(config: Config, secret: string, name: string): void {
  if (secret.length < 16 || secret.length > 256) {
    configError = `${name}: ${secret.length} characters given, 16 to 256 are expected`;
    return;
  }
  for (let i = 0; i < secret.length; i++) {
    const c = secret.charCodeAt(i);
    if (c > 0x20 && c < 0x7f) continue;
    configError = `${name}: visible ASCII characters are expected, character ${i} is none`;
    return;
  }
  config.secret = bytesOf(secret);
}

function text(value: JSON.Value): string {
  return value.type == JSON.Types.String ? value.get<string>() : "";
}

/** "250ms" or "2s" in milliseconds; -1 for anything else. */
function duration(value: JSON.Value): i64 {
  const given = text(value);
  const unit: i64 = given.endsWith("ms") ? 1 : given.endsWith("s") ? 1000 : 0;
  const digits = given.length - (unit == 1 ? 2 : 1);
  if (unit == 0 || digits < 1 || digits > 9) return -1;
  let number: i64 = 0;
  for (let i = 0; i < digits; i++) {
    const digit = given.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number * unit;
}

function fail(key: string, value: JSON.Value, expected: string): void {
  let given = JSON.stringify(value);
  if (given.length > 80) given = given.substring(0, 80) + "...";
  configError = `${key}: ${given} given, ${expected} is expected`;
}

function failKey(key: string, known: string): void {
  configError = `${key}: this key is not known; known are ${known}`;
}
