// The loads. A load is a list of requests with arrival times. The list depends only on the seed, so every contender gets the same
// requests.
import { tokenizerOf } from "../../simulator/engine/tokenizer.ts";
import { type HardwareName, hardware } from "../../simulator/hardware.ts";
import { defaultParams, type PodParams } from "../../simulator/params.ts";
import { poolCapacity } from "./capacity.ts";
import { Draws } from "./draws.ts";
import { AGENT_KINDS } from "./loads/agents.ts";
import { arrivalsOf, type Span } from "./loads/arrivals.ts";
import { CHAT_KINDS } from "./loads/chats.ts";
import { TRACE_KINDS } from "./loads/conversations.ts";
import type { Kind } from "./loads/kind.ts";
import { PICTURE_KINDS } from "./loads/pictures.ts";
import { PROMPT_KINDS } from "./loads/prompts.ts";
import { SHARED_KINDS } from "./loads/shared.ts";
import { makeRequest, type SimRequest } from "./request.ts";
import type { TextKind } from "./texts/text.ts";

interface LoadOptions {
  /** Undefined for the load's own number. */
  pods?: number | undefined;
  requests?: number;
  /** Instead of `requests`: all requests of this many seconds. */
  seconds?: number;
  seed: number;
  /** Requests a second for all pods; undefined for the load's own rate. */
  rate?: number | undefined;
  /** Parameters of all pods, instead of the defaults. The load's own parameters replace these. */
  params?: Partial<PodParams>;
  /** The pods have these presets in turn. The load comes at the same fraction of saturation as on `as-assumed`, unless `rate` is given. */
  hardware?: readonly HardwareName[];
  /** What the texts are made of, for loads that do not say it. Default: `noise`. */
  texts?: TextKind;
  /** Share of the requests that another gateway sends, from 0 up to, not including, 1. Default 0. */
  unseen?: number;
}

export interface Load {
  name: string;
  title: string;
  pods: number;
  requests: SimRequest[];
  /** Parts of the load that are also judged by themselves. */
  spans: readonly Span[];
  /** For each request whether another gateway sends it, which reports to nobody; undefined: no request. */
  unseen?: readonly boolean[];
  params(pod: number): PodParams;
}

const KINDS: Readonly<Record<string, Kind>> = {
  ...SHARED_KINDS,
  ...CHAT_KINDS,
  ...PROMPT_KINDS,
  ...AGENT_KINDS,
  ...PICTURE_KINDS,
  ...TRACE_KINDS,
};

const ASSUMED: readonly HardwareName[] = ["as-assumed"];
/** Number of requests from which the rate on other hardware is estimated. */
const SAMPLE = 2000;

export const LOAD_NAMES = Object.keys(KINDS);

/** Requests a second of the load for all pods, on pods as assumed. */
export function usualRate(name: string, pods?: number): number {
  const kind = kindOf(name);
  return kind.rate * (pods ?? kind.pods ?? 8);
}

function kindOf(name: string): Kind {
  const kind = KINDS[name];
  if (!kind) throw new RangeError(`load: "${name}" given, expected one of ${LOAD_NAMES.join(", ")}`);
  return kind;
}

export function makeLoad(name: string, options: LoadOptions): Load {
  const kind = kindOf(name);
  const given = { ...defaultParams(), ...options.params };
  const tokenizer = tokenizerOf(kind.tokenizer ?? given.tokenizer, given.tokenBytes);
  const pods = options.pods ?? kind.pods ?? 8;
  const perSecond = options.rate ?? kind.rate * pods;
  const paramsOn = (names: readonly HardwareName[]) => (pod: number) => ({
    ...given,
    ...hardware(names[pod % names.length] as HardwareName),
    noise: 0.05,
    loraSeriesMax: 1,
    tokenizer: kind.tokenizer ?? given.tokenizer,
    ...kind.params?.(pod),
  });
  const params = paramsOn(options.hardware ?? ASSUMED);
  const make = (count: number, rate = perSecond) => {
    const draws = new Draws(options.seed, { kind: options.texts ?? "noise", tokenizer });
    const { times, spans } = arrivalsOf(kind, draws, rate, count);
    return { requests: kind.make(draws, times, rate).map((draft) => makeRequest(draft, tokenizer)), spans };
  };
  // How much faster than pods as assumed these pods are, for this load.
  const faster = (sample: readonly SimRequest[]): number => {
    if (options.hardware === undefined || options.rate !== undefined) return 1;
    const all = (on: (pod: number) => PodParams) => Array.from({ length: pods }, (_, pod) => on(pod));
    return poolCapacity(all(params), sample) / poolCapacity(all(paramsOn(ASSUMED)), sample);
  };
  let made: ReturnType<typeof make>;
  if (kind.fixedPhases) {
    const factor = faster(options.hardware === undefined ? [] : make(0).requests.slice(0, SAMPLE));
    made = make(0, perSecond * factor);
  } else if (options.requests !== undefined) {
    made = make(options.requests);
    hasten(made, faster(made.requests));
  } else {
    const count = perSecond * (options.seconds ?? 0);
    const factor = faster(options.hardware === undefined ? [] : make(Math.min(SAMPLE, Math.ceil(count))).requests);
    made = make(Math.round(count * factor));
    hasten(made, factor);
  }
  const load = { name, title: kind.title, pods, ...made, params };
  const share = options.unseen ?? 0;
  if (share === 0) return load;
  const draws = new Draws(options.seed ^ 0xf0e1);
  return {
    ...load,
    name: `${name}, ${Math.round(share * 100)} % unseen`,
    unseen: made.requests.map(() => draws.fraction() < share),
  };
}

/** Lets all requests come `factor` times as fast. */
function hasten({ requests, spans }: { requests: SimRequest[]; spans: Span[] }, factor: number): void {
  if (factor === 1) return;
  for (const request of requests) request.at /= factor;
  for (const span of spans) {
    span.from /= factor;
    span.to /= factor;
  }
}
