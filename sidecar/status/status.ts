// The data that a sidecar shows to people and autoscalers: load per pool, exported readings, and the content of the status
// page. The page has pools, pods with their signals and ages, and Envoys with their picks and the reasons for missing picks.
import type { Clock } from "../clock.ts";
import type { Config } from "../config/schema.ts";
import { type Exported, exportedMetrics } from "../exported.ts";
import type { ClusterSeen } from "../kubernetes/cluster-objects.ts";
import type { ServerCosts } from "../learn/server-costs.ts";
import type { Tokenizer } from "../learn/tokenizer-fit.ts";
import type { PageState, Pod } from "../pod.ts";
import { type PoolLoad, poolLoads } from "../pools.ts";
import type { PushResult } from "../push/push-answer.ts";
import { type FilterState, Filters, type FilterTarget } from "./filters.ts";

export interface Readiness {
  ready: boolean;
  /** The reasons why the sidecar is not ready; empty if it is ready. */
  reasons: string[];
}

interface ScrapesStatus {
  page: PageState;
  /** Pages and bytes that were read so far. */
  pages: number;
  bytes: number;
  /** The smallest recent time to answer, ms; null: no page was read. */
  leastMs: number | null;
  /** Estimated share of the pod's time that scrapes took lately, 0 to 1. */
  share: number;
}

interface PodStatus {
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
  /** Which sidecar made the last good scrape; null: no scrape was good. */
  scrapedBy: string | null;
  /** The page that the pod is asked for, and what that costs; null: this sidecar does not scrape the pod. */
  scrapes: ScrapesStatus | null;
  models: readonly string[];
  adapters: { running: readonly string[]; waiting: readonly string[]; max: number } | null;
  /** What the next snapshot says about the pod's costs; fields that are neither learned nor pinned are absent. */
  costs: ServerCosts;
}

/** What the next snapshot says about the tokens of a base model's prompts. */
interface ModelStatus extends Tokenizer {
  model: string;
}

interface TargetStatus {
  origin: string;
  /** Milliseconds since the last accepted push; null: the Envoy has accepted no push. */
  pushedMsAgo: number | null;
  result: PushResult | null;
  filter: FilterState;
}

export interface Status {
  now: string;
  readiness: Readiness;
  pools: readonly PoolLoad[];
  pods: readonly PodStatus[];
  models: readonly ModelStatus[];
  targets: readonly TargetStatus[];
}

function scrapesStatus({ page, cost }: Pod, now: number): ScrapesStatus | null {
  if (page === undefined || cost === undefined) return null;
  const { pages, bytes, leastMs } = cost;
  return { page, pages: pages.whole + pages.restricted, bytes, leastMs, share: cost.shareAt(now) };
}

function podStatus(pod: Pod, costs: ServerCosts, now: number): PodStatus {
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
    scrapedBy: scraperOf(pod),
    scrapes: scrapesStatus(pod, now),
    models: pod.models.map((model) => model.name),
    adapters: reading?.adapters ?? null,
    costs,
  };
}

function scraperOf({ respondedAt, scrapedBy }: Pod): string | null {
  if (scrapedBy !== undefined) return `collector ${scrapedBy.toString(16).padStart(8, "0")}`;
  return respondedAt === undefined ? null : "this sidecar";
}

/** What is learned, as the next snapshot says it (run/costs.ts). */
interface LearnedCosts {
  ofPod(pod: Pod): ServerCosts;
  tokenizers(pods: Iterable<Pod>): ReadonlyMap<string, Tokenizer>;
}

/** The parts of the current run that are shown. After a reload they belong to another run. */
interface Watched {
  config: Config;
  costs: LearnedCosts;
  targets: Iterable<{ origin: string; acceptedAt: number | null; lastResult: PushResult | undefined }>;
  /** Returns the secret and the connection that read a target's filter back. */
  accessTo(origin: string): Omit<FilterTarget, "origin" | "path">;
  pods(): Pod[];
  objects(): ClusterSeen[];
  readiness(): Readiness;
}

export class Views {
  readonly #watched: () => Watched;
  readonly #clock: Clock;
  readonly #filters: Filters;

  constructor(watched: () => Watched, clock: Clock) {
    this.#watched = watched;
    this.#clock = clock;
    this.#filters = new Filters(() => clock.now());
  }

  exported(): Exported[] {
    const watched = this.#watched();
    return exportedMetrics(watched.pods(), watched.objects(), watched.config.engines);
  }

  pools(): PoolLoad[] {
    const watched = this.#watched();
    const at = { now: this.#clock.now(), scrapeIntervalMs: watched.config.scrape.interval };
    return poolLoads(watched.pods(), watched.objects(), this.exported(), at);
  }

  async status(): Promise<Status> {
    const watched = this.#watched();
    const { path } = watched.config.push;
    const now = this.#clock.now();
    const targets = [...watched.targets].map(async ({ origin, acceptedAt, lastResult }) => ({
      origin,
      pushedMsAgo: acceptedAt === null ? null : Math.round(now - acceptedAt),
      result: lastResult ?? null,
      filter: await this.#filters.state({ origin, path, ...watched.accessTo(origin) }),
    }));
    return {
      now: new Date().toISOString(),
      readiness: watched.readiness(),
      pools: this.pools(),
      pods: watched.pods().map((pod) => podStatus(pod, watched.costs.ofPod(pod), now)),
      models: [...watched.costs.tokenizers(watched.pods())].map(([model, tokenizer]) => ({ model, ...tokenizer })),
      targets: await Promise.all(targets),
    };
  }
}
