// The section `models`: the model names that clients may use, and the models that serve them.
import { MAX_TARGETS_OF_RULE, MAX_WEIGHT } from "../../protocol/constants.ts";
import { boolean, choice, custom, integer, list, MODEL_NAME, type Section } from "./rows.ts";

const target: Section = {
  name: "Target",
  description: "A model that a rule leads to.",
  rows: {
    model: custom({
      type: "string",
      initial: '""',
      read: "readModelName($)",
      what: "a model name",
      schema: MODEL_NAME,
      required: "a model name",
      // The key is `name` in an InferenceModel and `modelRewrite` in an InferenceModelRewrite.
      also: ["name", "modelRewrite"],
      description: "The model that serves the request.",
    }),
    weight: integer({
      default: 1,
      min: 0,
      max: MAX_WEIGHT,
      description: "The target's share of the requests, relative to the other targets' weights.",
    }),
  },
};

const rule: Section = {
  name: "Rule",
  description: "A name that clients use, and the model or models that serve it.",
  rows: {
    name: custom({
      type: "string",
      initial: '""',
      read: "readPattern($)",
      what: "a model name, which may end with `*`",
      schema: MODEL_NAME,
      required: "a model name",
      description: "The name in the request. A `*` at the end stands for any rest; the longest rule that fits counts.",
    }),
    model: custom({
      type: "string",
      initial: '""',
      read: "readModelName($)",
      what: "a model name",
      absent: "`targets`",
      schema: MODEL_NAME,
      description: "The model that serves all requests for the name. Each rule has either `model` or `targets`.",
    }),
    targets: list({
      of: target,
      maxItems: MAX_TARGETS_OF_RULE,
      absent: "`model`",
      description: "Models that share the requests for the name by their weights.",
    }),
  },
};

const MAX_RULES = 512;

export const models: Section = {
  name: "Models",
  description: "The names of models that clients may use, and the models behind them.",
  rows: {
    default: custom({
      type: "Bytes",
      initial: 'bytesOf("")',
      read: "bytesOf(readModelName($))",
      what: "a model name",
      field: "defaultModel",
      absent: "none",
      schema: MODEL_NAME,
      description:
        "The model of a JSON body without `model`; the name is written into the body. A form stays as it is.",
    }),
    unknown: choice({
      values: ["pass", "reject"],
      default: "pass",
      holds: { is: "reject" },
      field: "rejectUnknown",
      description:
        "A model that the snapshot does not have. `pass`: the request goes on and the route decides. `reject`: 404.",
    }),
    rules: list({
      of: rule,
      maxItems: MAX_RULES,
      default: [],
      description: "Names that clients use, and the models that serve them. The name in the body is replaced.",
    }),
    adapters: custom({
      type: "Names",
      initial: "newNames()",
      read: `readAdapters($, ${MAX_RULES})`,
      field: "bases",
      what: "object: adapter → base model",
      schema: { type: "object", maxProperties: MAX_RULES, additionalProperties: MODEL_NAME },
      default: {},
      description: "The base model of each adapter (LoRA), for adapters of which the snapshot does not know it.",
    }),
    list: boolean({
      default: true,
      description: "`true`: the filter answers `GET /v1/models` and `GET /v1/models/NAME` from the snapshot.",
    }),
  },
};
