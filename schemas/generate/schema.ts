// JSON Schema as both programs' configurations are described with it, and the file that ships.

export interface Schema {
  $schema?: string;
  $id?: string;
  title?: string;
  description?: string;
  type?: string | readonly string[];
  enum?: readonly unknown[];
  const?: unknown;
  default?: unknown;
  deprecated?: boolean;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minItems?: number;
  maxItems?: number;
  items?: Schema;
  anyOf?: readonly Schema[];
  properties?: Record<string, Schema>;
  required?: readonly string[];
  propertyNames?: Schema;
  additionalProperties?: boolean | Schema;
  /** For the documents: the kind of value in words, where the keywords do not say it. */
  "x-type"?: string;
  /** For the documents: what counts without the key, where `default` does not say it. */
  "x-absent"?: string;
  /** For the documents: the entries of this list have the keys of that object. */
  "x-as"?: string;
  /** For the documents: this key is another name of that one. */
  "x-same-as"?: string;
  [keyword: string]: unknown;
}

/** Annotations that the schema itself says. */
const SAID = new Set(["none", "required"]);

/** The schema as it ships: what the annotations say stands in the descriptions. */
export function published(schema: Schema, title: string): Schema {
  return { $schema: "https://json-schema.org/draft/2020-12/schema", title, ...withoutAnnotations(schema) };
}

function withoutAnnotations(schema: Schema): Schema {
  const { "x-type": kind, "x-absent": absent, "x-same-as": same, "x-as": __, $schema: _, ...rest } = schema;
  const sentences = [
    rest.description,
    same !== undefined && `Another name of \`${same}\`.`,
    kind !== undefined && `Type: ${kind}.`,
    absent !== undefined && !SAID.has(absent) && `Without the key: ${absent}.`,
  ].filter((sentence) => typeof sentence === "string");
  return {
    ...rest,
    ...(sentences.length > 0 && { description: sentences.join(" ") }),
    ...(rest.items && { items: withoutAnnotations(rest.items) }),
    ...(rest.anyOf && { anyOf: rest.anyOf.map(withoutAnnotations) }),
    ...(typeof rest.additionalProperties === "object" && {
      additionalProperties: withoutAnnotations(rest.additionalProperties),
    }),
    ...(rest.properties && {
      properties: Object.fromEntries(
        Object.entries(rest.properties).map(([key, property]) => [key, withoutAnnotations(property)]),
      ),
    }),
  };
}
