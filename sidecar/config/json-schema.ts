// The configuration's schema as JSON Schema (draft 2020-12). The documents and the check for unknown keys use it.
import { z } from "zod";
import { isObject, type Json } from "./json.ts";
import { RENAMED } from "./renamed.ts";
import { schema } from "./schema.ts";

/**
 * Returns the schema with annotations for the documents: `x-type`, `x-absent` (values.ts), `x-as` (a list of the same objects
 * as another key). Former names of keys are in the schema, as deprecated.
 */
export function configurationSchema(): Json {
  const result = plain(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }));
  for (const [former, now] of Object.entries(RENAMED)) {
    const [section = "", key = ""] = now.split(".");
    const properties = (result as Schema).properties?.[section]?.properties;
    if (properties?.[key] === undefined) throw new Error(`${now}: renamed, but not in the schema`);
    properties[former.slice(section.length + 1)] = {
      ...properties[key],
      deprecated: true,
      description: `The former name of \`${key}\`.`,
    };
  }
  return result as Json;
}

interface Schema {
  properties?: Record<string, Schema>;
  [keyword: string]: unknown;
}

/** Removes the fields that only zod needs, and turns a shorthand (`x-or`) into a choice. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  const { "x-or": or, ...rest } = value;
  const entries = Object.entries(rest)
    .filter(([key, each]) => !(key === "maximum" && each === Number.MAX_SAFE_INTEGER))
    .map(([key, each]) => [key, plain(each)] as const);
  const result: Json = Object.fromEntries(entries);
  if (or === undefined) return result;
  const { description, "x-type": kind, "x-absent": absent, default: usual, ...own } = result;
  return {
    anyOf: [or, own],
    ...(description !== undefined && { description }),
    ...(kind !== undefined && { "x-type": kind }),
    ...(absent !== undefined && { "x-absent": absent }),
    ...(usual !== undefined && { default: usual }),
  };
}

/** Returns the path of every key, except keys inside the entries of lists. */
export function configurationKeys(): string[] {
  const keysOf = (node: Schema, path: string): string[] =>
    Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
      const at = path === "" ? key : `${path}.${key}`;
      return [at, ...keysOf(child, at)];
    });
  return keysOf(configurationSchema() as Schema, "");
}
