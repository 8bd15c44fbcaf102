// The inputs of a pod's metrics, and the text of one family.
import type { Engine } from "../engine/engine.ts";
import type { PodParams } from "../params.ts";
import type { HttpMetrics } from "./http-metrics.ts";

export interface MetricsSource {
  engines: readonly Engine[];
  params: PodParams;
  modelName: string;
  startedAt: number;
  http: HttpMetrics;
}

/** The sample lines of a family and of its `_created` family. Each line ends with a newline. */
export interface Samples {
  lines: string;
  created: string;
}
