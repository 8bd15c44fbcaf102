// The table of the filter's configuration, which is JSON in the plugin's `configuration`. Every key is a row here or in a section.
import {
  MAX_SNAPSHOT_BYTES,
  RESERVED_PREFIX,
  SECRET_ENV,
  SECRET_NEXT_ENV,
  SNAPSHOT_PATH,
} from "../../protocol/constants.ts";
import { admission } from "./admission-rows.ts";
import { body, plugins } from "./body-rows.ts";
import { models } from "./models-rows.ts";
import { pick } from "./pick-rows.ts";
import { boolean, choice, custom, duration, ignored, integer, SECRET, type Section, section } from "./rows.ts";

const MAX_SECRETS = 4;
const MAX_TEMPLATES = 16;

const snapshot: Section = {
  name: "Snapshot",
  description: "How the sidecar's snapshots reach the filter, and how long they count.",
  rows: {
    path: custom({
      type: "Bytes",
      initial: `bytesOf("${SNAPSHOT_PATH}")`,
      read: "bytesOf(readReservedPath($))",
      what: `a path under \`${RESERVED_PREFIX}\` without a query`,
      schema: { type: "string", maxLength: 256, pattern: "^/\\.pilotfish/[^?]*$" },
      default: SNAPSHOT_PATH,
      description: "The path to which the sidecar POSTs snapshots, and from which they can be read back.",
    }),
    secret: custom({
      type: "Bytes[]",
      initial: "[]",
      read: `readSecrets($, ${MAX_SECRETS})`,
      field: "secrets",
      what: `text of 16 to 256 visible ASCII characters, or a list of up to ${MAX_SECRETS}`,
      schema: { anyOf: [SECRET, { type: "array", items: SECRET, minItems: 1, maxItems: MAX_SECRETS }] },
      absent: `the VM's environment variables \`${SECRET_ENV}\` and \`${SECRET_NEXT_ENV}\``,
      description:
        "The shared secret of pushes and read-backs. Several secrets count while a secret is being replaced. " +
        "Without any secret every push is refused.",
    }),
    staleAfter: duration({
      default: "2s",
      min: "100ms",
      max: "3600s",
      description: "The age at which a snapshot is stale. `pick.onStale` says what happens then.",
    }),
    maxBytes: integer({
      default: MAX_SNAPSHOT_BYTES,
      min: 4096,
      max: MAX_SNAPSHOT_BYTES,
      description: "The largest snapshot, in bytes. A larger push is refused with 413.",
    }),
  },
};

const log: Section = {
  name: "Log",
  description: "What the filter leaves for Envoy's access log.",
  rows: {
    picks: boolean({
      default: false,
      description:
        "`true`: filter state for the access log of every request. `false`: only of requests for which no endpoint was picked.",
    }),
  },
};

export const filter: Section = {
  name: "Filter",
  description: "The configuration of the Pilotfish filter: JSON in the `configuration` of the Wasm plugin.",
  rows: {
    $schema: ignored({
      what: "text",
      schema: { type: "string" },
      absent: "none",
      description: "The address of this schema, for editors.",
    }),
    role: choice({
      values: ["single", "reader", "holder"],
      default: "single",
      holds: { constants: "ROLE" },
      description:
        "`single`: the only filter; Envoy needs `allow_on_headers_stop_iteration: true`. " +
        "`reader` and `holder`: two filters, the reader first, for an Envoy that cannot set the flag.",
    }),
    snapshot: section({ section: snapshot }),
    paths: custom({
      type: "usize",
      initial: "0",
      read: `readPaths($, ${MAX_TEMPLATES})`,
      what: `list of up to ${MAX_TEMPLATES} paths with \`{model}\` once`,
      schema: {
        type: "array",
        maxItems: MAX_TEMPLATES,
        items: { type: "string", maxLength: 256, pattern: "^/[^{]*\\{model\\}" },
      },
      default: [],
      description:
        "Templates of paths that name the model, such as `/openai/deployments/{model}/`. " +
        "The name ends where the text behind `{model}` first fits.",
    }),
    body: section({ section: body, class: "BodyConfig" }),
    plugins,
    models: section({ section: models, class: "ModelsConfig" }),
    pick: section({ section: pick, class: "PickConfig" }),
    admission: section({ section: admission, class: "AdmissionConfig" }),
    log: section({ section: log }),
  },
};
