// Reads a configuration from a YAML file, flags and the environment. A wrong configuration gives one line for each problem.
import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import type { z } from "zod";
import { AUTO } from "../engines/index.ts";
import { isObject, type Json } from "./json.ts";
import { configurationKeys } from "./json-schema.ts";
import { nearest } from "./nearest.ts";
import { SECRET_KEYS, secretsOf } from "./push.ts";
import { withNewNames } from "./renamed.ts";
import { type Config, schema } from "./schema.ts";

/** A configuration is wrong. `problems` has a line for each problem, with key, value and expectation. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

type Issue = z.core.$ZodIssue;

/** Returns the value at a path. Where a URL is given instead of an object, it returns the URL. */
function at(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? (value as Json)[key as string] : value),
    input,
  );
}

function keyOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text === "" ? String(key) : `${text}.${String(key)}`;
  }, "");
}

function shown(key: string, value: unknown): string {
  if (value === undefined) return "nothing";
  if (SECRET_KEYS.has(key) || SECRET_KEYS.has(key.replace(/\[.*/, ""))) return "a value that is not shown";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function unknownKey(path: readonly PropertyKey[], key: string): string {
  const full = keyOf([...path, key]);
  const parent = keyOf(path.filter((part) => typeof part !== "number"));
  const known = configurationKeys();
  const siblings = known
    .filter((name) => parent === "" || name.startsWith(`${parent}.`))
    .map((name) => name.slice(parent === "" ? 0 : parent.length + 1).split(".")[0] as string);
  const guess = nearest(key, siblings) ?? nearest(full, known);
  return `${full}: unknown key${guess === undefined ? "" : `, did you mean ${guess}?`}`;
}

function lines(issue: Issue, input: unknown): string[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(issue.path, key));
  const key = keyOf(issue.path);
  const expected = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return [`${key || "configuration"}: got ${shown(key, at(input, issue.path))}, expected ${expected}`];
}

function unknownEngines({ endpoints, dns, kubernetes, manifests, engines }: Config): string[] {
  const named: Array<readonly [key: string, name: string]> = [
    ...endpoints.map(({ engine }, i) => [`endpoints[${i}].engine`, engine] as const),
    ...dns.map(({ engine }, i) => [`dns[${i}].engine`, engine] as const),
  ];
  if (kubernetes !== undefined) named.push(["kubernetes.engine", kubernetes.engine]);
  if (manifests !== undefined) named.push(["manifests.engine", manifests.engine]);
  return named
    .filter(([, name]) => name !== AUTO && !engines.has(name))
    .map(([key, name]) => `${key}: got ${shown(key, name)}, expected one of ${[AUTO, ...engines.keys()].join(", ")}`);
}

function crossChecks(config: Config): string[] {
  const problems: string[] = [];
  const ms = (value: number) => `${value}ms`;
  const { push, endpoints, dns, models, kubernetes, clusters, manifests, peers } = config;
  problems.push(...unknownEngines(config));
  const { cert, key } = config.scrape.tls;
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? "cert" : "key";
    problems.push(
      `scrape.tls.${missing}: got nothing, expected the file that belongs to scrape.tls.${cert === undefined ? "key" : "cert"}`,
    );
  }
  if (push.targets.length + push.dns.length === 0 && push.kubernetes === undefined) {
    problems.push(
      "push.targets: got nothing, expected at least one Envoy listener, such as http://127.0.0.1:10000 (flag --push)" +
        ", or push.dns, or push.kubernetes",
    );
  }
  const tls = push.tls;
  if ((tls.cert === undefined) !== (tls.key === undefined)) problems.push("push.tls: expected cert and key together");
  if (push.maxBackoff < push.minBackoff) {
    problems.push(
      `push.maxBackoff: got ${ms(push.maxBackoff)}, expected at least push.minBackoff (${ms(push.minBackoff)})`,
    );
  }
  if (push.heartbeat < push.interval) {
    problems.push(`push.heartbeat: got ${ms(push.heartbeat)}, expected at least push.interval (${ms(push.interval)})`);
  }
  const listed = endpoints.length + dns.length + clusters.length + peers.length;
  if (listed === 0 && kubernetes === undefined && manifests === undefined) {
    problems.push(
      "endpoints: got nothing, expected at least one pod there or one name under dns (flags --endpoint, --dns)" +
        ", or kubernetes, or manifests, or peers",
    );
  }
  for (const [name, model] of Object.entries(models.static)) {
    const base = model.base === undefined ? undefined : models.static[model.base];
    if (base?.base !== undefined) {
      problems.push(
        `models.static.${name}.base: got ${JSON.stringify(model.base)}, expected a base model, not an adapter`,
      );
    }
  }
  return problems;
}

/** Checks a configuration as YAML has it: durations are text, and any key may be missing. Throws a ConfigError. */
export function parseConfig(input: unknown, env: NodeJS.ProcessEnv): Config {
  const { input: named, warnings, problems: renamed } = withNewNames(input ?? {});
  const parsed = schema.safeParse(named);
  if (!parsed.success)
    throw new ConfigError([...renamed, ...parsed.error.issues.flatMap((issue) => lines(issue, named))]);
  const { push, ...rest } = parsed.data;
  const { secret: _given, ...others } = push;
  const { secrets, problems } = secretsOf(push, env);
  const config: Config = { ...rest, push: { ...others, secrets }, warnings };
  problems.push(...renamed, ...crossChecks(config));
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

function readYaml(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError([`--config: ${(error as Error).message}`]);
  }
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) {
    throw new ConfigError(document.errors.map((error) => `${file}: ${error.message.split("\n")[0]}`));
  }
  return document.toJS({ maxAliasCount: 100 });
}

/** Merges two values key by key; `over` wins. A list is replaced, not joined. */
function merge(under: unknown, over: Json): Json {
  const merged: Json = isObject(under) ? { ...under } : {};
  for (const [key, value] of Object.entries(over)) {
    if (value !== undefined) merged[key] = isObject(value) ? merge(merged[key], value) : value;
  }
  return merged;
}

/** Reads the configuration from the file, if one is given. A flag replaces the same key of the file. Throws a ConfigError. */
export function loadConfig(file: string | undefined, flags: Json, env: NodeJS.ProcessEnv): Config {
  const input = file === undefined ? {} : (readYaml(file) ?? {});
  // The schema refuses an input that is not an object.
  return parseConfig(isObject(input) ? merge(input, flags) : input, env);
}
