import type { PodsCount } from "./pods.ts";

/** The pods of a run. */
export interface Pool {
  /** `ip:port`. */
  addresses: readonly string[];
  /** Process ids of each part. */
  pids: Readonly<Record<string, number[]>>;
  count(): Promise<PodsCount>;
  stop(): Promise<unknown>;
}
