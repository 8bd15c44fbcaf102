// What the status page shows, as JSON: pools, pods with their signals and ages, Envoys with what they picked and why not.
import type { Pod } from "../pod.ts";
import type { PoolLoad } from "../pools.ts";
import type { PushResult } from "../push/answer.ts";
import type { Readiness } from "../server.ts";
import type { FilterState } from "./filters.ts";

export interface PodStatus {
  address: string;
  engine: string;
  pools: readonly string[];
  state: string;
  draining: boolean;
  asleep: boolean;
  waiting: number | null;
  running: number | null;
  kvUsage: number | null;
  ageMs: number | null;
  models: readonly string[];
  adapters: { running: readonly string[]; waiting: readonly string[]; max: number } | null;
}

export interface TargetStatus {
  origin: string;
  /** null: it never took a push. */
  pushedMsAgo: number | null;
  result: PushResult | null;
  filter: FilterState;
}

export interface Status {
  now: string;
  readiness: Readiness;
  pools: readonly PoolLoad[];
  pods: readonly PodStatus[];
  targets: readonly TargetStatus[];
}

export function podStatus(pod: Pod, now: number): PodStatus {
  const { address, engine, reading, scrapedAt, cluster } = pod;
  return {
    address,
    engine,
    pools: cluster?.of ?? [],
    state: cluster?.ready === false ? "not ready" : pod.health.state,
    draining: cluster?.draining ?? false,
    asleep: reading?.asleep === true || cluster?.asleep === true,
    waiting: reading?.waiting ?? null,
    running: reading?.running ?? null,
    kvUsage: reading?.kvUsage ?? null,
    ageMs: scrapedAt === null ? null : Math.round(now - scrapedAt),
    models: pod.models.map((model) => model.name),
    adapters: reading?.adapters ?? null,
  };
}
