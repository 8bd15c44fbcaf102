// Ray Serve LLM has vLLM's metrics, through Ray's agent. The agent writes ":" as "_" and adds the prefix "ray_". It shows the
// metrics of every replica on its node, each with the labels ReplicaId and WorkerId; they add up like ranks. The agent has
// its own port (8080 in KubeRay's manifests). Requests and health checks go to Serve's port.
import type { Engine, Row } from "./engine-rows.ts";
import { vllm } from "./vllm.ts";

const renamed = (row: Row): Row => ({ ...row, metric: `ray_${row.metric.replaceAll(":", "_")}` });

export const ray: Engine = {
  name: "ray",
  rows: vllm.rows.map(renamed),
  metrics: { port: 8080 },
  health: "/-/healthz",
};
