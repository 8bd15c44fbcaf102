// Ray Serve LLM has vLLM's metrics, through Ray's agent. The agent writes ":" as "_" and adds the prefix "ray_". It shows the
// metrics of every replica on its node, each with the labels ReplicaId and WorkerId; they add up like ranks. The agent has
// its own port (8080 in KubeRay's manifests). Requests and health checks go to Serve's port.
import type { Engine, Row } from "./engine-rows.ts";
import { vllm } from "./vllm.ts";

const renamed = (row: Row): Row => ({ ...row, metric: `ray_${row.metric.replaceAll(":", "_")}` });

/** Each replica has a process of its own, and the agent shows the start of none. Older agents leave out the suffix of counters. */
function rowsOf(row: Row): Row[] {
  if (row.kind !== "counter") return [renamed(row)];
  if (row.counter === "startedAt") return [];
  const metric = row.metric.replace(/_total$/, "");
  return metric === row.metric ? [renamed(row)] : [renamed(row), renamed({ ...row, metric })];
}

export const ray: Engine = {
  name: "ray",
  rows: vllm.rows.flatMap(rowsOf),
  metrics: { port: 8080 },
  health: "/-/healthz",
};
