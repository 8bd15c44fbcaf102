// The key `engines`: describes further model servers by the names and labels of their metrics, or corrects built-in ones.
import { z } from "zod";
import { type Engine, type GaugeRow, IDENTIFYING_SIGNALS, type Row, type Signal } from "../engines/engine-rows.ts";
import { AUTO, ENGINES, type EngineTable, engineTable } from "../engines/index.ts";
import { described, expected } from "./values.ts";

const SELECTOR =
  /^([a-zA-Z_:][a-zA-Z0-9_:]{0,255})(?:\{\s*([a-zA-Z_][a-zA-Z0-9_]{0,255})\s*=\s*(?:"([^"\\\n]*)"|([^"{}=,\s]+))\s*\})?$/;
const SELECTOR_TEXT = 'a metric, as name or name{label="value"}';

interface Selector {
  metric: string;
  where?: { label: string; value: string };
}

const selector = z.string(expected(SELECTOR_TEXT)).transform((text, context): Selector => {
  const parts = SELECTOR.exec(text);
  if (parts === null) {
    context.addIssue(SELECTOR_TEXT);
    return z.NEVER;
  }
  const [, metric, label, quoted, bare] = parts as unknown as [string, string, string?, string?, string?];
  return { metric, ...(label !== undefined && { where: { label, value: quoted ?? bare ?? "" } }) };
});

/** Several metrics are tried in their order, since an older server may use another name. */
const selectors = z.preprocess((value) => (typeof value === "string" ? [value] : value), z.array(selector)).optional();

/** A key whose default is the value of the built-in engine with the same name. */
const fromTable = (description: string) => described(description, "the built-in engine's");

/** A key that names the metric of a signal. */
const signal = (description: string) =>
  selectors.meta({
    "x-type": '`name` or `name{label="value"}`, or a list',
    "x-or": { type: "string" },
    ...fromTable(description),
  });

const METRIC = z.string(expected("a metric's name")).regex(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,255}$/, "a metric's name");
const LABEL = z.string(expected("a label's name")).regex(/^[a-zA-Z_][a-zA-Z0-9_]{0,255}$/, "a label's name");
const PATH = z.string(expected("a path that begins with /")).regex(/^\/[\x21-\x7e]*$/, "a path that begins with /");

const engine = z.strictObject(
  {
    waiting: signal("The metric of waiting requests."),
    running: signal("The metric of running requests."),
    kvUsage: signal("The metric of KV-cache usage, 0 to 1."),
    awake: signal("The metric that is 0 while the engine sleeps."),
    kvBlocks: signal("The metric of the number of KV-cache blocks."),
    blockTokens: signal("The metric of the tokens in a KV-cache block."),
    cacheInfo: z
      .strictObject({
        metric: METRIC.describe("The metric's name."),
        kvBlocks: LABEL.optional().meta(described("The label with the number of KV-cache blocks.", "none")),
        blockTokens: LABEL.optional().meta(described("The label with the tokens in a block.", "none")),
      })
      .optional()
      .meta(fromTable("A metric whose labels describe the KV cache.")),
    adapters: z
      .strictObject({
        metric: METRIC.describe("The metric's name."),
        max: LABEL.describe("The label with the number of adapters that fit."),
        running: LABEL.describe("The label with the running adapters."),
        waiting: LABEL.describe("The label with the waiting adapters."),
      })
      .optional()
      .meta(fromTable("A metric whose labels name the adapters (LoRA).")),
    port: z
      .int(expected("a port"))
      .min(1, "a port")
      .max(65535, "a port")
      .optional()
      .meta(described("The port of the metrics.", "the pod's port")),
    path: PATH.optional().meta(described("The path of the metrics.", "`scrape.path`")),
    health: PATH.optional().meta(described("The path on which a healthy pod responds with 200.", "`/health`")),
  },
  expected("an object of signals and their metrics"),
);

const ENGINE_NAME = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/;
const ENGINE_NAME_TEXT = "the name of an engine: lower-case letters, digits, - and .";

const COMBINE: Readonly<Record<Signal, GaugeRow["combine"]>> = {
  waiting: "sum",
  running: "sum",
  kvUsage: "mean",
  awake: "min",
  kvBlocks: "sum",
  blockTokens: "max",
};
const SIGNALS = Object.keys(COMBINE) as Signal[];

/** A given signal replaces the signal of the built-in engine. Other signals keep their built-in value. */
function engineOf(name: string, given: z.output<typeof engine>): Engine {
  const known = ENGINES.get(name);
  const rows: Row[] = [];
  for (const signal of SIGNALS) {
    const own = given[signal]?.map((one): Row => ({ kind: "gauge", signal, combine: COMBINE[signal], ...one }));
    rows.push(...(own ?? known?.rows.filter((row) => row.kind === "gauge" && row.signal === signal) ?? []));
  }
  rows.push(...(known?.rows.filter((row) => row.kind === "counter") ?? []));
  const { cacheInfo, adapters } = given;
  if (cacheInfo !== undefined) {
    const { metric, kvBlocks, blockTokens } = cacheInfo;
    const numbers = { ...(kvBlocks !== undefined && { kvBlocks }), ...(blockTokens !== undefined && { blockTokens }) };
    rows.push({ kind: "labels", metric, numbers });
  } else rows.push(...(known?.rows.filter((row) => row.kind === "labels") ?? []));
  if (adapters !== undefined) rows.push({ kind: "adapters", ...adapters });
  else rows.push(...(known?.rows.filter((row) => row.kind === "adapters") ?? []));
  const port = given.port ?? known?.metrics?.port;
  const path = given.path ?? known?.metrics?.path;
  return {
    name,
    rows,
    metrics: { ...(port !== undefined && { port }), ...(path !== undefined && { path }) },
    health: given.health ?? known?.health ?? "/health",
  };
}

export const engines = z
  .record(z.string().regex(ENGINE_NAME, ENGINE_NAME_TEXT), engine, expected("an object of engines by name"))
  .prefault({})
  .describe("Model servers by name, with the names and labels of their metrics. See `docs/how-to/model-servers.md`.")
  .transform((given, context): EngineTable => {
    const made = Object.entries(given).map(([name, one]) => engineOf(name, one));
    for (const { name, rows } of made) {
      const identified = rows.some((row) => row.kind === "gauge" && IDENTIFYING_SIGNALS.includes(row.signal));
      if (!identified)
        context.addIssue({ code: "custom", path: [name], message: "at least one of waiting, running and kvUsage" });
      if (name === AUTO) context.addIssue({ code: "custom", path: [name], message: `another name than ${AUTO}` });
    }
    return engineTable(made);
  });

/** A key with an engine's name. load.ts checks that the engine exists, after it has read `engines`. */
export function engineName(meaning: string) {
  return z.string(expected(ENGINE_NAME_TEXT)).regex(ENGINE_NAME, ENGINE_NAME_TEXT).default(AUTO).describe(meaning);
}
