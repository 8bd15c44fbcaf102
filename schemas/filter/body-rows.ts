// The section `body`: which bodies the filter reads, how, and which fields it takes. The key `plugins` configures the same in the
// format of the body-based router.
import { BASE_MODEL_HEADER, MODEL_HEADER } from "../../protocol/constants.ts";
import { boolean, choice, custom, HEADER_NAME, ignored, integer, list, type Row, type Section } from "./rows.ts";
import { numberOf } from "./source.ts";

/** Bytes by which a rewritten body may grow when its new model name is longer. */
const REWRITE_ROOM = 1024;
const MAX_LARGE = numberOf("assembly/host/memory.ts", "MAX_LARGE");
const MAX_U32 = 0xffffffff;

const fieldName = (description: string, also?: string[]): Row =>
  custom({
    type: "string",
    initial: '""',
    read: "readFieldName($)",
    what: "the name of a top-level field",
    schema: { type: "string", minLength: 1 },
    required: "the name of a top-level field",
    description,
    ...(also && { also }),
  });

const headerName = (description: string, also?: string[]): Row =>
  custom({
    type: "string",
    initial: '""',
    read: "readHeaderName($)",
    what: "the name of a header",
    schema: HEADER_NAME,
    required: "the name of a header",
    description,
    ...(also && { also }),
  });

const field: Section = {
  name: "Field",
  description: "A field of the body, and the header that gets its value.",
  rows: {
    field: fieldName("A top-level field of a JSON body. Of a form only `model` is read."),
    header: headerName(
      "The request header that gets the field's value. A client's own header of this name is removed.",
    ),
  },
};

/** The parameters of the plugin body-field-to-header. Both spellings of a parameter are in use. */
const pluginField: Section = {
  name: "PluginField",
  description: "The parameters of `body-field-to-header`.",
  rows: {
    fieldName: fieldName("A top-level field of a JSON body.", ["field_name"]),
    headerName: headerName("The request header that gets the field's value.", ["header_name"]),
  },
};

export const body: Section = {
  name: "Body",
  description: "Which request bodies are read, what is taken out of them, and which are refused.",
  rows: {
    fields: list({
      of: field,
      field: "givenFields",
      default: [{ field: "model", header: MODEL_HEADER }],
      description:
        "Top-level fields of the body that are copied into request headers. " +
        "An entry for `model` renames the model's header; every other entry adds a header.",
    }),
    duplicateKeys: choice({
      values: ["last", "reject"],
      default: "last",
      holds: { is: "reject" },
      field: "rejectDuplicates",
      description:
        "A JSON object that has a key twice. `last`: the last value counts, as it does in the model server. `reject`: 400.",
    }),
    maxDepth: integer({
      default: 512,
      min: 1,
      max: numberOf("assembly/scan/json/scan-state.ts", "MAX_DEPTH"),
      description: "The deepest nesting of JSON that is accepted. A deeper body is refused with 400.",
    }),
    maxBytes: integer({
      initial: `${MAX_U32}`,
      absent: "no limit",
      min: 1,
      max: MAX_U32 - 1,
      description:
        "The largest body, in bytes. A larger one is refused with 413. " +
        "Envoy's `per_connection_buffer_limit_bytes` is a limit of its own.",
    }),
    requireModel: boolean({
      default: false,
      description:
        "`true`: a body without a model is refused with 400. `false`: the body is passed on without a model header.",
    }),
    otherTypes: choice({
      values: ["pass", "reject"],
      default: "pass",
      holds: { is: "reject" },
      field: "rejectOtherTypes",
      description:
        "Content types that are neither JSON nor `multipart/form-data`. `pass`: the body is passed on unread. `reject`: 415.",
    }),
    maxRewriteBytes: integer({
      default: 4194304,
      min: 1024,
      max: MAX_LARGE - REWRITE_ROOM,
      description:
        "The largest body whose model name is replaced, in bytes. " +
        "Such a body is copied as a whole; a larger one is refused with 413.",
    }),
  },
};

const PLUGINS = ["body-field-to-header", "base-model-to-header"];

const plugin: Section = {
  name: "Plugin",
  description: "A plugin of the body-based router.",
  rows: {
    type: custom({
      type: "string",
      initial: '""',
      read: 'readText($, "the type of a plugin")',
      what: PLUGINS.map((type) => `\`${type}\``).join(", "),
      schema: { enum: PLUGINS },
      required: "the type of a plugin",
      description: "What the plugin does.",
    }),
    name: ignored({ what: "text", schema: { type: "string" }, description: "The plugin's name; it has no effect." }),
    json: custom({
      type: "Given | null",
      initial: "null",
      read: "$",
      what: "object",
      schema: (of) => of(pluginField),
      absent: "none",
      description: "`fieldName` and `headerName`, the parameters of `body-field-to-header`.",
    }),
  },
};

export const plugins: Row = custom({
  type: "Plugins | null",
  initial: "null",
  read: "readPlugins($)",
  what: "list of plugins",
  absent: "`body.fields` and the header of the base model",
  description:
    "The plugins of the Gateway API's body-based router, as its chart or its `--plugin` flag has them: " +
    '`{"type": …, "name": …, "json": {…}}` or `"type:name:{…}"`. ' +
    `They replace the default headers \`${MODEL_HEADER}\` and \`${BASE_MODEL_HEADER}\`. ` +
    `Known types are ${PLUGINS.map((type) => `\`${type}\``).join(" and ")}.`,
  schema: (of) => ({
    type: "array",
    items: { anyOf: [{ type: "string", pattern: `^(${PLUGINS.join("|")})(:|$)` }, of(plugin)] },
  }),
  uses: [plugin, pluginField],
});
