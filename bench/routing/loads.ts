// The loads of the bench. Each is a load of the simulation (bench/sim/loads.ts), with as many pods as two cores can run, for a fixed
// time.
import type { HardwareName } from "../../simulator/hardware.ts";
import type { PodParams } from "../../simulator/params.ts";
import type { Span } from "../sim/loads/arrivals.ts";
import { makeLoad, usualRate } from "../sim/loads.ts";
import type { SimRequest } from "../sim/request.ts";
import { WARM_UP } from "../sim/simulate.ts";

export interface RoutingLoad {
  name: string;
  /** Name of a load of the simulation. */
  kind: string;
  pods: number;
  /** Duration of the arrivals on pods as assumed. On other hardware as many requests take more or less time. */
  seconds: number;
  /** Requests a second for all pods; undefined for the load's own rate, which depends on the hardware. */
  rate?: number;
  /** The pods have these presets in turn; undefined for pods as assumed. */
  hardware?: readonly HardwareName[];
  /** Parameters of all pods, such as those of other hardware. The load's own parameters replace these. */
  params?: Partial<PodParams>;
  /** Scrape interval of sidecar and endpoint picker; undefined leaves their defaults. */
  scrapeMs?: number;
  envoys: number;
  /** Seconds between two restarts, for a contender that has restarts. */
  restartEvery?: number;
  /** The pods are Dynamo's mocker engines instead of simulator/. Of the pods' parameters only the size of the caches counts then. */
  mocker?: boolean;
  /** Ms between bursts. Each burst is judged by itself. */
  burstMs?: number;
  /** Requests that are still in flight this long after the last arrival are cut off; undefined for the client's default. */
  graceMs?: number;
}

const one = { envoys: 1 };
/** Queues of an overloaded pool are longer than those of the other loads. */
const overloaded = { pods: 4, graceMs: 20_000, ...one };

export const ROUTING_LOADS: readonly RoutingLoad[] = [
  { name: "shared", kind: "shared-80", pods: 4, seconds: 60, ...one },
  { name: "sessions", kind: "sessions", pods: 4, seconds: 60, ...one },
  { name: "mixed", kind: "mixed", pods: 4, seconds: 30, ...one },
  // Its answers have 1,000 tokens, so shorter runs would end before the pods are busy.
  { name: "ladder", kind: "ladder", pods: 4, seconds: 180, ...one },
  { name: "mooncake", kind: "mooncake", pods: 4, seconds: 60, ...one },
  { name: "fitting", kind: "fitting-80", pods: 4, seconds: 45, ...one },
  { name: "slow", kind: "slow", pods: 4, seconds: 30, ...one },
  { name: "adapters", kind: "adapters", pods: 4, seconds: 30, ...one },
  { name: "bursts-1s", kind: "idle-bursts", pods: 8, seconds: 25, scrapeMs: 1000, burstMs: 5000, ...one },
  { name: "bursts-100ms", kind: "idle-bursts", pods: 8, seconds: 25, scrapeMs: 100, burstMs: 5000, ...one },
  { name: "two-envoys", kind: "shared-80", pods: 4, seconds: 60, envoys: 2 },
  ...["overload-100", "overload-115", "overload-130"].map((kind) => ({ name: kind, kind, ...overloaded, seconds: 60 })),
  // Its phases have fixed durations, 340 s in all.
  { name: "overload-return", kind: "overload-return", ...overloaded, seconds: 340 },
];

export const ROUTING_LOAD_NAMES = ROUTING_LOADS.map(({ name }) => name);
/** Loads beyond saturation, which are run only when asked for. */
export const OVERLOAD_NAMES = ROUTING_LOAD_NAMES.filter((name) => name.startsWith("overload-"));

/** Tokens per chunk of an answer. Only the first token is judged, so small chunks would only cost CPU. */
const STREAM_INTERVAL = 32;

interface Arrivals {
  title: string;
  perSecond: number;
  requests: SimRequest[];
  /** Share of the requests that are warm-up. */
  warm: number;
  adapters: string[];
  /** Parts of the load that are also judged by themselves. */
  spans: readonly Span[];
  params: PodParams[];
  /** Mean tokens of a prompt. */
  promptTokens: number;
}

export function requestsOf(load: RoutingLoad, seed: number): Arrivals {
  const { kind, pods, seconds, rate, hardware, params: given = {} } = load;
  const count = Math.round((rate ?? usualRate(kind, pods)) * seconds);
  const made = makeLoad(kind, { pods, seed, requests: count, rate, params: given, ...(hardware && { hardware }) });
  const { requests } = made;
  const adapters = [...new Set(made.requests.flatMap(({ adapter }) => adapter ?? []))].sort();
  const params = Array.from({ length: load.pods }, (_, i) => ({ ...made.params(i), streamInterval: STREAM_INTERVAL }));
  return {
    title: made.title,
    perSecond: requests.length / ((requests.at(-1)?.at ?? 0) / 1000),
    requests,
    warm: Math.floor(made.requests.length * WARM_UP),
    adapters,
    spans: made.spans,
    params,
    promptTokens: requests.reduce((sum, { prompt }) => sum + prompt.tokens, 0) / requests.length,
  };
}
