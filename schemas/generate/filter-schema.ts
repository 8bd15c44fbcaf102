// Makes the JSON Schema (draft 2020-12) from the table of the filter's configuration.
import { filter } from "../filter/filter-rows.ts";
import type { Row, Section } from "../filter/rows.ts";
import type { Schema } from "./schema.ts";

/** The schema, with annotations for the documents. published() of schema.ts moves the annotations into the descriptions. */
export function filterSchema(): Schema {
  return sectionSchema(filter);
}

function sectionSchema({ description, rows }: Section): Schema {
  const properties: Record<string, Schema> = {};
  const required: string[] = [];
  for (const [key, row] of Object.entries(rows)) {
    properties[key] = rowSchema(row);
    if (row.formerly !== undefined)
      properties[row.formerly] = { ...rowSchema(row), deprecated: true, description: `The former name of \`${key}\`.` };
    for (const other of row.also ?? []) properties[other] = { ...rowSchema(row), "x-same-as": key };
    if (row.required !== undefined && row.also === undefined) required.push(key);
  }
  return {
    type: "object",
    description,
    properties,
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}

function rowSchema(row: Row): Schema {
  const common: Schema = {
    description: row.description,
    ...(row.absent !== undefined && { "x-absent": row.absent }),
    ...(row.required !== undefined && { "x-absent": "required" }),
    ...("default" in row && row.default !== undefined && { default: row.default }),
  };
  switch (row.kind) {
    case "boolean":
      return { type: "boolean", ...common };
    case "integer":
      return { type: "integer", minimum: row.min, maximum: row.max, ...common };
    case "duration":
      return {
        type: "string",
        pattern: "^[0-9]{1,9}(ms|s)$",
        "x-type": `duration, ${row.min} to ${row.max}`,
        ...common,
      };
    case "choice":
      return { enum: [...row.values], ...common };
    case "custom": {
      const schema = typeof row.schema === "function" ? row.schema(sectionSchema) : row.schema;
      return { ...(schema as Schema), "x-type": row.what, ...common };
    }
    case "ignored":
      return { ...(row.schema as Schema), "x-type": row.what, ...common };
    case "list":
      return {
        type: "array",
        items: sectionSchema(row.of),
        ...(row.maxItems !== undefined && { maxItems: row.maxItems }),
        ...common,
      };
    case "section":
      return { ...sectionSchema(row.section), ...common };
  }
}
