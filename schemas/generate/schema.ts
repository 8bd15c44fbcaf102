// The part of JSON Schema that describes both programs' configurations, and the form in which a schema is published.

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
  /** For the documents: the kind of value in words, if the keywords cannot express it. */
  "x-type"?: string;
  /** For the documents: the behaviour without the key, if `default` cannot express it. */
  "x-absent"?: string;
  /** For the documents: path of the object that has the same keys as the entries of this list. */
  "x-as"?: string;
  /** For the documents: the key of which this key is another name. */
  "x-same-as"?: string;
  [keyword: string]: unknown;
}

/** Values of "x-absent" that the schema itself expresses, so that the description leaves them out. */
const SAID = new Set(["none", "required"]);

/** The published schema, in which the descriptions contain the text of the annotations. */
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
