// The key `pick.config`: the configuration of the Gateway API's endpoint picker (inference.networking.x-k8s.io/v1alpha1 of v1.5.0;
// llm-d.ai/v1alpha1 and v1 have the same form). The filter reads the endpoint picker's file unchanged.
import { custom, ignored, list, type Section } from "./rows.ts";
import { returnedTexts, textsOf } from "./source.ts";

const SCORERS = [...returnedTexts("assembly/pick/scorers.ts", "scorerName"), "predicted-latency-scorer"];
const PICKERS = returnedTexts("assembly/pick/profile.ts", "pickerName");
const ELSEWHERE = textsOf("assembly/config/endpoint-picker.ts", "ELSEWHERE");

const text = (required: string | undefined, description: string) =>
  custom({
    type: "string",
    initial: '""',
    read: `readText($, "${required ?? "a name"}")`,
    what: "text",
    schema: { type: "string" },
    absent: required === undefined ? "the type" : "none",
    description,
    ...(required !== undefined && { required }),
  });

const plugin: Section = {
  name: "PickerPlugin",
  description: "A plugin of the endpoint picker.",
  rows: {
    type: custom({
      type: "string",
      initial: '""',
      read: 'readText($, "the type of a plugin")',
      what: "the type of a plugin",
      schema: { enum: [...SCORERS, ...PICKERS, ...ELSEWHERE] },
      required: "the type of a plugin",
      description:
        `A scorer (${SCORERS.map((name) => `\`${name}\``).join(", ")}), ` +
        "a picker (see `pick.picker`), or a plugin of the endpoint picker that has no effect here.",
    }),
    name: text(undefined, "The name under which a profile refers to the plugin."),
    parameters: custom({
      type: "Given | null",
      initial: "null",
      read: "$",
      what: "object",
      schema: { type: "object" },
      default: {},
      description:
        "`queueThresholdTokens` of `token-load-scorer` and `threshold` of `load-aware-scorer`; the others have no effect.",
    }),
  },
};

const reference: Section = {
  name: "PluginReference",
  description: "A plugin that the profile uses.",
  rows: {
    pluginRef: text("the name of a plugin", "The name of one of the plugins."),
    weight: custom({
      type: "f64",
      initial: "1",
      read: "readWeight($)",
      what: "number, 0 to 1000000",
      schema: { type: ["number", "null"], minimum: 0, maximum: 1e6 },
      default: 1,
      description: "The weight of a scorer's score in the sum.",
    }),
  },
};

const profile: Section = {
  name: "PickerProfile",
  description: "A scheduling profile.",
  rows: {
    name: text("a name", "The profile's name; it has no effect."),
    plugins: list({ of: reference, default: [], description: "The plugins that the profile uses." }),
  },
};

const unused = ignored({
  what: "anything",
  schema: {},
  description: "Accepted, without effect: the filter and the sidecar do this in their own way.",
});

export const endpointPicker: Section = {
  name: "EndpointPicker",
  description:
    "An `EndpointPickerConfig` of the Gateway API Inference Extension, instead of `pick.profile` and `pick.picker`. " +
    "It has at most one profile. Without a profile all its plugins count; without a picker `max-score-picker` counts.",
  rows: {
    apiVersion: unused,
    kind: custom({
      type: "bool",
      initial: "false",
      read: "readKind($)",
      what: "`EndpointPickerConfig`",
      schema: { const: "EndpointPickerConfig" },
      absent: "`EndpointPickerConfig`",
      description: "The kind of the document.",
    }),
    plugins: list({
      of: plugin,
      required: "a list of plugins",
      description: "Scorers and pickers with their parameters.",
    }),
    schedulingProfiles: list({ of: profile, maxItems: 1, default: [], description: "The profile that picks." }),
    featureGates: unused,
    saturationDetector: unused,
    dataLayer: unused,
    flowControl: unused,
    parser: unused,
    requestHandler: unused,
  },
};
