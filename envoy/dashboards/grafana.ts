// Writes pilotfish.json, the dashboard that Grafana imports, from panels.ts. `tsx envoy/dashboards/grafana.ts`

import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { ROWS } from "./panels.ts";
import type { Panel } from "./queries.ts";

const FILE = fileURLToPath(new URL("pilotfish.json", import.meta.url));
/** A variable of the dashboard, assembled from parts so that it does not look like a template literal. */
const DATASOURCE = { type: "prometheus", uid: "$" + "{datasource}" };
/** Grafana's grid is 24 wide. */
const WIDTH = 8;
const HEIGHT = 7;

/** The values of job and model come from Prometheus. The default selects all. */
function variable(name: string, label: string, query: string): object {
  return {
    name,
    label,
    type: "query",
    datasource: DATASOURCE,
    definition: query,
    query: { query, refId: name },
    refresh: 2,
    includeAll: true,
    multi: true,
    allValue: ".*",
    current: { selected: true, text: ["All"], value: ["$__all"] },
    sort: 1,
  };
}

function panel(one: Panel, id: number, x: number, y: number): object {
  return {
    id,
    type: "timeseries",
    title: one.title,
    description: one.about,
    datasource: DATASOURCE,
    gridPos: { x, y, w: WIDTH, h: HEIGHT },
    fieldConfig: {
      defaults: {
        unit: one.unit === "tokens/s" ? "suffix: tokens/s" : one.unit,
        min: 0,
        custom: {
          lineWidth: 1,
          fillOpacity: one.stacked ? 30 : 5,
          showPoints: "never",
          stacking: { mode: one.stacked ? "normal" : "none", group: "A" },
        },
      },
      overrides: [],
    },
    options: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } },
    targets: one.queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend,
    })),
  };
}

function dashboard(): object {
  const panels: object[] = [];
  let y = 0;
  for (const row of ROWS) {
    panels.push({
      id: panels.length + 1,
      type: "row",
      title: row.title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: 24, h: 1 },
    });
    y++;
    row.panels.forEach((one, i) => {
      panels.push(panel(one, panels.length + 1, (i % 3) * WIDTH, y + Math.floor(i / 3) * HEIGHT));
    });
    y += Math.ceil(row.panels.length / 3) * HEIGHT;
  }
  return {
    uid: "pilotfish",
    title: "Pilotfish",
    description: "Routing of LLM requests inside Envoy: the filter, the sidecar and the model servers.",
    tags: ["pilotfish", "envoy", "vllm"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: "10s",
    time: { from: "now-30m", to: "now" },
    templating: {
      list: [
        { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus", current: {} },
        variable("envoy", "Envoy", "label_values(pilotfish_requests, job)"),
        variable("sidecar", "sidecar", "label_values(pilotfish_pushes_total, job)"),
        variable("vllm", "vLLM", "label_values(vllm:num_requests_running, job)"),
        variable("model", "model", "label_values(vllm:num_requests_running, model_name)"),
      ],
    },
    panels,
  };
}

export const dashboardText = (): string => `${JSON.stringify(dashboard(), null, 1)}\n`;

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(FILE, dashboardText());
