// Ray Serve LLM: vLLM's metrics through Ray's agent, which writes ":" as "_" and puts "ray_" in front. The agent tells
// those of every replica on its node, each with labels ReplicaId and WorkerId: they add up like ranks. It listens on
// a port of its own (8080 in KubeRay's manifests), requests and health on Serve's.
import type { Engine, Row } from "./engine-rows.ts";
import { vllm } from "./vllm.ts";

const renamed = (row: Row): Row => ({ ...row, metric: `ray_${row.metric.replaceAll(":", "_")}` });

export const ray: Engine = {
  name: "ray",
  rows: vllm.rows.map(renamed),
  metrics: { port: 8080 },
  health: "/-/healthz",
};
