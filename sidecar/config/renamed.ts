// Keys that were renamed. The former name still works, with a warning.
import { isObject, type Json } from "./json.ts";

/** Former key -> key. Both keys are in the same object. */
export const RENAMED: Readonly<Record<string, string>> = {
  "push.retryMin": "push.minBackoff",
  "push.retryMax": "push.maxBackoff",
};

interface WithNewNames {
  input: unknown;
  /** A line for each former name that the configuration uses. */
  warnings: string[];
  /** A line for each key that is given under both names. */
  problems: string[];
}

/** Returns the configuration as YAML has it, with former names replaced by the current names. */
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
