// Runs one contender under one load: engines, arrivals and the contender's timers share one simulated clock.
import { ApiProcesses } from "../../simulator/api-process.ts";
import { SimClock } from "../../simulator/clock.ts";
import { Engine } from "../../simulator/engine/engine.ts";
import type { Sequence } from "../../simulator/engine/sequence.ts";
import { type Page, pageMs } from "../../simulator/page-cost.ts";
import type { PodParams } from "../../simulator/params.ts";
import { quantile } from "../../testkit/statistics.ts";
import { Draws } from "./draws.ts";
import type { Span } from "./loads/arrivals.ts";
import type { Load } from "./loads.ts";
import type { SimRequest } from "./request.ts";
import { leastRequest2 } from "./rivals/envoy-balancers.ts";
import type { Contender, Route, World } from "./world.ts";

/** The share of the requests at the start that fill the caches. The figures leave these requests out. */
export const WARM_UP = 0.2;

export interface Figures {
  requests: number;
  answered: number;
  /** Time to first token in ms. */
  mean: number;
  p50: number;
  p90: number;
  p99: number;
  /** The p99 with the requests that fill the caches. */
  p99Cold: number;
  outputPerSecond: number;
  /** Answers a second between the first and the last quarter of the answers. Overloaded pods answer as many as they can. */
  answersPerSecond: number;
  /** Share of prompt tokens that were in the pods' caches. */
  hitRate: number;
  deepestQueue: number;
  /** Share of the pod with the most requests. */
  mostShare: number;
  /** Share of its time for which a pod's API server process renders pages, mean of the pods and of their processes. */
  scrapeShare: number;
  /** Scrapes of a pod a second. */
  scrapesPerSecond: number;
  /** Requests per pod. */
  perPod: number[];
  /** Simulated seconds. */
  seconds: number;
  /** Wall time on this machine. */
  wallMs: number;
  /** The parts of the load. */
  spans: SpanFigures[];
}

/** The requests that arrive within a part of a load. */
interface SpanFigures {
  name: string;
  requests: number;
  /** Time to first token in ms. */
  p50: number;
  p90: number;
  p99: number;
}

interface SimulateOptions {
  seed: number;
  warmUp?: number;
  /** The first request that counts in `perPod`; default 0. */
  countFrom?: number;
}

export function simulate(load: Load, contender: Contender, options: SimulateOptions): Figures {
  const began = performance.now();
  const clock = new SimClock();
  const adapters = [...new Set(load.requests.flatMap(({ adapter }) => adapter ?? []))].sort();
  const pods = Array.from({ length: load.pods }, (_, i) => {
    const noise = new Draws(options.seed * 1000 + i);
    const engine = new Engine(load.params(i), clock, () => noise.fraction());
    if (adapters.length > 0) engine.enableLora();
    return engine;
  });
  const apis = pods.map(({ params }) => new ApiProcesses(params.apiServers, clock));
  const { requests } = load;
  let answered = 0;
  const isOver = () => answered === requests.length;
  const every = (ms: number, fn: () => void): void => {
    clock.after(ms, () => {
      if (isOver()) return;
      fn();
      every(ms, fn);
    });
  };
  const tokens = requests.reduce((sum, { prompt }) => sum + prompt.tokens, 0);
  const bytes = requests.reduce((sum, request) => sum + textBytes(request), 0);
  const world: World = {
    pods,
    meanPromptTokens: tokens / requests.length,
    tokensPerByte: tokens / bytes,
    addresses: pods.map((_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:8000`),
    adapters,
    now: () => clock.now(),
    every,
    isOver,
    after: (ms, fn) => void clock.after(ms, fn),
    scrape(pod, page) {
      const ms = scrapeMs((pods[pod] as Engine).params, page);
      return (apis[pod] as ApiProcesses).take().render(ms, () => {});
    },
    seed: options.seed,
  };
  const router = contender.start(world);
  // The other gateway draws other pods than a contender of the same kind.
  const other = leastRequest2.start({ ...world, seed: options.seed ^ 0x0f0e });

  const skipped = Math.floor(requests.length * (options.warmUp ?? WARM_UP));
  const counts = (number: number): boolean => number >= skipped && load.unseen?.[number] !== true;
  const perPod = new Array<number>(load.pods).fill(0);
  /** The time to first token in ms of each request. */
  const waitOf = new Float64Array(requests.length);
  const ends: number[] = [];
  let output = 0;
  let promptTokens = 0;
  let cachedTokens = 0;
  const begin = (request: SimRequest, number: number): void => {
    const arrived = clock.now();
    const route: Route = (load.unseen?.[number] === true ? other : router).route(request);
    if (number >= (options.countFrom ?? 0)) perPod[route.pod] = (perPod[route.pod] as number) + 1;
    let begun = false;
    const first = (cached: number) => {
      if (begun) return;
      begun = true;
      route.firstByte?.();
      waitOf[number] = clock.now() - arrived;
      if (!counts(number)) return;
      promptTokens += request.prompt.tokens;
      cachedTokens += cached;
    };
    const finished = (sequence: Sequence): void => {
      first(sequence.cachedTokens);
      answered++;
      ends.push(clock.now());
      output += sequence.generated;
      route.end?.();
    };
    const api = (apis[route.pod] as ApiProcesses).take();
    const submit = () =>
      (pods[route.pod] as Engine).submit({
        promptTokens: request.prompt.tokens,
        hashes: request.prompt.hashes,
        outputTokens: request.outputTokens,
        adapter: request.adapter,
        listener: {
          token(sequence) {
            if (!begun) api.run(() => first(sequence.cachedTokens));
          },
          finished(sequence, reason) {
            if (reason === "error") throw new Error(`${load.name}: request ${number} does not fit into a pod`);
            api.run(() => finished(sequence));
          },
        },
      });
    api.run(submit);
  };
  const arrive = (number: number): void => {
    const request = requests[number];
    if (!request) return;
    clock.after(Math.max(0, request.at - clock.now()), () => {
      begin(request, number);
      arrive(number + 1);
    });
  };
  arrive(0);
  clock.drain();
  router.close?.();
  other.close?.();

  const received = pods.reduce((sum, pod) => sum + pod.stats.received, 0);
  if (answered !== requests.length || received !== requests.length)
    throw new Error(
      `${load.name}, ${contender.name}: ${requests.length} requests, ${received} sent, ${answered} answered`,
    );
  const waits = [...waitOf.filter((_, number) => counts(number))];
  const seconds = ((ends.at(-1) as number) - (requests[0] as SimRequest).at) / 1000;
  return {
    requests: requests.length,
    answered,
    mean: waits.reduce((sum, wait) => sum + wait, 0) / waits.length,
    p50: quantile(waits, 0.5),
    p90: quantile(waits, 0.9),
    p99: quantile(waits, 0.99),
    p99Cold: quantile([...waitOf.filter((_, number) => load.unseen?.[number] !== true)], 0.99),
    outputPerSecond: output / seconds,
    answersPerSecond: answersPerSecond(ends),
    hitRate: cachedTokens / promptTokens,
    deepestQueue: Math.max(...pods.map((pod) => pod.stats.deepestQueue)),
    mostShare: Math.max(...perPod) / requests.length,
    scrapeShare: scrapeShare(apis, load, clock.now()),
    scrapesPerSecond: (router.scrapes?.() ?? 0) / load.pods / seconds,
    perPod,
    seconds,
    wallMs: performance.now() - began,
    spans: load.spans.map((span) => spanFigures(span, load, waitOf)),
  };
}

/** Ms that a page costs. A pod answers with a whole page where it honours no names. */
function scrapeMs(params: PodParams, page: Page): number {
  const { nameQuery, apiServers } = params;
  return pageMs(params, nameQuery === "honoured" && apiServers === 1 ? page : "whole");
}

function scrapeShare(apis: readonly ApiProcesses[], load: Load, ms: number): number {
  const shares = apis.map(({ pageMs }, pod) => pageMs / (ms * load.params(pod).apiServers));
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

/** Bytes of the texts of a prompt. A picture is no text. */
function textBytes({ messages, tools }: SimRequest): number {
  const texts = messages.flatMap(({ content }) =>
    typeof content === "string" ? [content] : content.flatMap((part) => (part.type === "text" ? [part.text] : [])),
  );
  if (tools !== undefined) texts.push(JSON.stringify(tools));
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

/** `ends` in ms, ascending. */
function answersPerSecond(ends: readonly number[]): number {
  const from = Math.floor(ends.length / 4);
  const to = Math.floor((ends.length * 3) / 4);
  return ((to - from) * 1000) / ((ends[to] as number) - (ends[from] as number));
}

function spanFigures({ name, from, to }: Span, { requests, unseen }: Load, waitOf: Float64Array): SpanFigures {
  const within = ({ at }: SimRequest) => at >= from && at < to;
  const waits = [...waitOf.filter((_, i) => within(requests[i] as SimRequest) && unseen?.[i] !== true)];
  const at = (q: number) => (waits.length === 0 ? 0 : quantile(waits, q));
  return { name, requests: waits.length, p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}
