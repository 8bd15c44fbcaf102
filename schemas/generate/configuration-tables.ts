// Writes a JSON Schema as Markdown: a table for each object, with a row for each key.
import type { Schema } from "./schema.ts";

interface ObjectTable {
  /** The object's path, such as `models.rules[].targets[]`; empty for the whole configuration. */
  path: string;
  description: string;
  rows: string[][];
}

/** The tables of a schema. `level`: the number of # of a heading. */
export function configurationTables(schema: Schema, level = 2): string {
  return objectTables("", schema)
    .filter(({ rows }) => rows.length > 0)
    .map(({ path, description, rows }) => {
      const heading =
        path === "" ? [] : [`${"#".repeat(level)} \`${path}\``, "", ...(description === "" ? [] : [description, ""])];
      return [...heading, table(["key", "type", "default", "description"], rows)].join("\n");
    })
    .join("\n\n");
}

function objectTables(path: string, schema: Schema): ObjectTable[] {
  const rows: string[][] = [];
  const inside: ObjectTable[] = [];
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (property.deprecated || property["x-same-as"] !== undefined) continue;
    const at = path === "" ? key : `${path}.${key}`;
    const within = objectsOf(at, property);
    inside.push(...within.flatMap(([where, object]) => objectTables(where, object)));
    // An object that is always present needs no row: its own table describes it.
    if (property.properties !== undefined && property["x-absent"] === undefined) continue;
    rows.push([`\`${at}\``, typeOf(property), defaultOf(property), property.description ?? ""]);
  }
  return [{ path, description: schema.description ?? "", rows }, ...inside];
}

/** The objects that a value may be or contain, with their paths. */
function objectsOf(path: string, schema: Schema): Array<[path: string, object: Schema]> {
  const { properties, items, anyOf, additionalProperties: more } = schema;
  if (schema["x-as"] !== undefined) return [];
  if (properties !== undefined) return [[path, schema]];
  if (items !== undefined) return objectsOf(`${path}[]`, items);
  if (typeof more === "object") return objectsOf(`${path}.NAME`, more);
  return (anyOf ?? []).flatMap((one) => objectsOf(path, one));
}

function typeOf(schema: Schema): string {
  const { type, enum: values, anyOf, minimum, maximum, items, maxItems } = schema;
  if (schema["x-type"] !== undefined) return schema["x-type"];
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(", ");
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeOf))].join(", or ");
  if (type === "integer" || type === "number") {
    if (minimum === undefined) return type;
    return maximum === undefined ? `${type} from ${minimum}` : `${type}, ${minimum} to ${maximum}`;
  }
  if (type === "array") {
    const of = items === undefined || items.properties !== undefined ? "objects" : plural(typeOf(items));
    return `list of ${maxItems === undefined ? "" : `up to ${maxItems} `}${of}`;
  }
  if (type === "string") return "text";
  return String(type ?? "anything");
}

/** The plural of a type. It handles only the types that typeOf() returns for entries of lists. */
function plural(type: string): string {
  return type === "text" ? "texts" : type.replace(/^an? /, "");
}

function defaultOf(schema: Schema): string {
  if (schema["x-absent"] !== undefined) return schema["x-absent"];
  const { default: value } = schema;
  if (value === undefined) return "none";
  return `\`${typeof value === "string" && value !== "" ? value : JSON.stringify(value)}\``;
}

export function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
