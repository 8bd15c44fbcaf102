// Makes the JSON Schema of the sidecar's configuration, with annotations for the documents like the filter's schema.
import { configurationSchema } from "../../sidecar/config/json-schema.ts";
import type { Schema } from "./schema.ts";

export function sidecarSchema(): Schema {
  const schema = withRequired(configurationSchema() as Schema);
  return { description: "The configuration of the Pilotfish sidecar, a YAML file.", ...schema };
}

/** Annotates every key that may not be left out, so that its row in the documents says "required". */
function withRequired(schema: Schema): Schema {
  const { properties, items, additionalProperties: more, anyOf, required = [] } = schema;
  const inside = Object.entries(properties ?? {}).map(([key, property]) => [
    key,
    { ...(required.includes(key) && { "x-absent": "required" }), ...withRequired(property) },
  ]);
  return {
    ...schema,
    ...(properties && { properties: Object.fromEntries(inside) }),
    ...(items && { items: withRequired(items) }),
    ...(anyOf && { anyOf: anyOf.map(withRequired) }),
    ...(typeof more === "object" && { additionalProperties: withRequired(more) }),
  };
}
