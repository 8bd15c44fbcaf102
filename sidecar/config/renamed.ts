// Keys that have a better name now. The former name still works, and a warning says so.
import { isObject, type Json } from "./json.ts";

/** Former key -> key. Both are in the same object. */
export const RENAMED: Readonly<Record<string, string>> = {
  "push.retryMin": "push.minBackoff",
  "push.retryMax": "push.maxBackoff",
};

interface WithNewNames {
  input: unknown;
  /** A line for each former name. */
  warnings: string[];
  /** A line for each key that is given under both names. */
  problems: string[];
}

/** The configuration as it stands in YAML, with the keys of today. */
export function withNewNames(input: unknown): WithNewNames {
  const warnings: string[] = [];
  const problems: string[] = [];
  let result = input;
  for (const [former, now] of Object.entries(RENAMED)) {
    const [section = "", key = ""] = former.split(".");
    const name = now.slice(section.length + 1);
    const inside = isObject(result) ? result[section] : undefined;
    if (!isObject(result) || !isObject(inside) || !(key in inside)) continue;
    if (name in inside) problems.push(`${former}: got a value, expected none beside ${now}, which is its name now`);
    else warnings.push(`${former}: this key is now called ${now}; the former name still works`);
    const { [key]: value, ...rest } = inside;
    result = { ...result, [section]: { [name]: value, ...rest } } satisfies Json;
  }
  return { input: result, warnings, problems };
}
