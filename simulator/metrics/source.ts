// What a pod's metrics are read from, and the text that is made of one family.
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

/** A family's sample lines and those of its `_created` family, each line with its newline. */
export interface Samples {
  lines: string;
  created: string;
}
