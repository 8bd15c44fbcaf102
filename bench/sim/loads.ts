// The loads. A load is a list of requests with arrival times. The list depends only on the seed, so every contender gets the same
// requests.
import { tokenizerOf } from "../../simulator/engine/tokenizer.ts";
import { type HardwareName, hardware } from "../../simulator/hardware.ts";
import { defaultParams, type PodParams } from "../../simulator/params.ts";
import { poolCapacity } from "./capacity.ts";
import { Draws } from "./draws.ts";
import { type Draft, type Message, makeRequest, type SimRequest } from "./request.ts";
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
}

export interface Load {
  name: string;
  title: string;
  pods: number;
  requests: SimRequest[];
  params(pod: number): PodParams;
}

interface Kind {
  title: string;
  /** Requests per second and pod. */
  rate: number;
  pods?: number;
  make(draws: Draws, times: readonly number[], perSecond: number): Draft[];
  params?(pod: number): Partial<PodParams>;
}

/** Four pods for 150 customers with system prompts of 6,000 tokens, 900,000 in all. */
interface Caches {
  /** Number of prompt tokens for which the four pods' caches have room together. */
  hold: string;
  params: Partial<PodParams>;
  /** Requests per second and pod at which the pods are saturated. */
  full: number;
}

/**
 * The caches have room for 524,000 tokens. At 60 % of `full`, least request has a mean of 402 ms, as in the simulation from which the
 * rule of `tokens` comes. At 80 % least request is overloaded.
 */
const HALF: Caches = { hold: "half", params: { kvBlocks: 8192 }, full: 3.9 };
/**
 * The caches have room for 1,049,000 tokens, so a second copy of a prompt evicts another prompt. `full` is the highest rate at which
 * fixed homes (home.ts) have a p90 below 100 ms over 300 s. At 43 requests a second for all pods the p90 is 105 ms; at 44 it is
 * several seconds.
 */
const ALL: Caches = { hold: "all", params: { kvBlocks: 16_384 }, full: 10.5 };
const AZURE_FULL = 9;

const system = (content: string): Message => ({ role: "system", content });
const user = (content: string): Message => ({ role: "user", content });

/** `exponent` of Zipf's law for the customers' shares; 0 makes all shares equal. */
function shared(fraction: number, { hold, params, full }: Caches, exponent = 0): Kind {
  const who = `150 customers${exponent ? " by Zipf's law" : ""}, system prompts of 6,000 tokens`;
  return {
    title: `${who}, ${hold} of which the caches hold, ${fraction * 100} % load`,
    rate: full * fraction,
    pods: 4,
    params: () => params,
    make(draws, times) {
      const prompts = Array.from({ length: 150 }, () => draws.text(6000));
      const shares = prompts.map((_, i) => 1 / (i + 1) ** exponent);
      return times.map((at) => {
        const prompt = exponent ? (prompts[draws.weighted(shares)] as string) : draws.pick(prompts);
        const messages = [system(prompt), user(draws.text(draws.lognormal(150, 0.6, 10, 2000)))];
        return { at, messages, outputTokens: draws.lognormal(150, 0.6, 1, 1000) };
      });
    },
  };
}

/** Sizes as in Azure's conversation trace of 2023: medians of 1,020 prompt tokens and 129 output tokens. */
function azure(draws: Draws, times: readonly number[]): Draft[] {
  return times.map((at) => {
    const messages = [user(draws.text(draws.lognormal(1020, 0.8, 8, 14000)))];
    return { at, messages, outputTokens: draws.lognormal(129, 0.9, 1, 1000) };
  });
}

const BURST = 200;
const BURST_EVERY_MS = 5000;

/** Sessions of several turns. Each turn includes all earlier turns, and comes after a random pause. */
function sessions(draws: Draws, times: readonly number[], perSecond: number): Draft[] {
  const made: Draft[] = [];
  const active = 500;
  const turns = 6;
  const meanPause = (active / perSecond) * 1000;
  const preamble = draws.text(400);
  const last = times.at(-1) ?? 0;
  // At the start of the load some sessions have already had some of their turns.
  for (let start = -meanPause * turns; start < last; start += (meanPause * turns) / active) {
    const messages: Message[] = [system(preamble)];
    let at = start;
    for (let turn = 0; turn < turns; turn++) {
      messages.push(user(draws.text(draws.lognormal(200, 0.8, 8, 4000))));
      const output = draws.lognormal(150, 0.6, 1, 800);
      if (at >= 0) made.push({ at, messages: [...messages], outputTokens: output });
      messages.push({ role: "assistant", content: draws.text(output) });
      at += meanPause * (0.5 + draws.fraction());
    }
  }
  return made.sort((a, b) => a.at - b.at).slice(0, times.length);
}

const KINDS: Readonly<Record<string, Kind>> = {
  "shared-60": shared(0.6, HALF),
  "shared-80": shared(0.8, HALF),
  "shared-95": shared(0.95, HALF),
  "fitting-60": shared(0.6, ALL),
  "fitting-80": shared(0.8, ALL),
  "fitting-95": shared(0.95, ALL),
  "skewed-80": shared(0.8, ALL, 1),
  "skewed-95": shared(0.95, ALL, 1),
  mixed: {
    title: "Azure-like sizes, 4 pods near saturation",
    rate: AZURE_FULL * 0.9,
    pods: 4,
    make: azure,
  },
  slow: {
    title: "Azure-like sizes, one of 4 pods at half speed",
    rate: AZURE_FULL * 0.7,
    pods: 4,
    make: azure,
    params: (pod) => (pod === 0 ? { speed: 0.5 } : {}),
  },
  adapters: {
    title: "100 adapters, 4 slots a pod",
    rate: 4,
    make(draws, times) {
      return times.map((at) => {
        const adapter = `adapter-${String(draws.below(100)).padStart(3, "0")}`;
        const messages = [user(draws.text(draws.lognormal(400, 0.6, 8, 4000)))];
        return { at, messages, outputTokens: draws.lognormal(60, 0.5, 1, 400), adapter };
      });
    },
    params: () => ({ maxLoras: 4, loraLoadMs: 100 }),
  },
  bursts: {
    title: `bursts of ${BURST} every ${BURST_EVERY_MS / 1000} s`,
    rate: 5,
    make(draws, times) {
      const at = (i: number) => Math.floor(i / BURST) * BURST_EVERY_MS + draws.fraction() * 50;
      return azure(
        draws,
        times.map((_, i) => at(i)).sort((a, b) => a - b),
      );
    },
  },
  "idle-bursts": {
    title: `bursts of ${BURST} every ${BURST_EVERY_MS / 1000} s, which end before the next`,
    rate: BURST / 8 / (BURST_EVERY_MS / 1000),
    make(draws, times) {
      const at = (i: number) => Math.floor(i / BURST) * BURST_EVERY_MS + draws.fraction() * 40;
      return times
        .map((_, i) => at(i))
        .sort((a, b) => a - b)
        .map((due) => {
          const messages = [user(draws.text(draws.lognormal(1020, 0.8, 8, 14000)))];
          return { at: due, messages, outputTokens: draws.lognormal(60, 0.5, 1, 150) };
        });
    },
  },
  sessions: { title: "500 sessions of 6 turns", rate: 7, make: sessions },
  "one-prompt": {
    title: "one system prompt of 2,000 tokens for all",
    rate: 12,
    make(draws, times) {
      const prompt = system(draws.text(2000));
      return times.map((at) => {
        const messages = [prompt, user(draws.text(draws.lognormal(100, 0.6, 8, 1000)))];
        return { at, messages, outputTokens: draws.lognormal(100, 0.6, 1, 600) };
      });
    },
  },
  "cold-prompt": {
    title: "one system prompt of 2,000 tokens for all, another every 10 s",
    rate: 12,
    make(draws, times) {
      let prompt = system("");
      let age = -1;
      return times.map((at) => {
        if (Math.floor(at / 10_000) !== age) prompt = system(draws.text(2000));
        age = Math.floor(at / 10_000);
        const messages = [prompt, user(draws.text(draws.lognormal(100, 0.6, 8, 1000)))];
        return { at, messages, outputTokens: draws.lognormal(100, 0.6, 1, 600) };
      });
    },
  },
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
  const tokenizer = tokenizerOf(given.tokenizer, given.tokenBytes);
  const pods = options.pods ?? kind.pods ?? 8;
  const perSecond = options.rate ?? kind.rate * pods;
  const paramsOn = (names: readonly HardwareName[]) => (pod: number) => ({
    ...given,
    ...hardware(names[pod % names.length] as HardwareName),
    noise: 0.05,
    loraSeriesMax: 1,
    ...kind.params?.(pod),
  });
  const params = paramsOn(options.hardware ?? ASSUMED);
  const make = (count: number): SimRequest[] => {
    const draws = new Draws(options.seed, { kind: options.texts ?? "noise", tokenizer });
    const times: number[] = [];
    let at = 0;
    for (let i = 0; i < count; i++) {
      at += draws.gap(perSecond);
      times.push(at);
    }
    return kind.make(draws, times, perSecond).map((draft) => makeRequest(draft, tokenizer));
  };
  // How much faster than pods as assumed these pods are, for this load.
  const faster = (sample: readonly SimRequest[]): number => {
    if (options.hardware === undefined || options.rate !== undefined) return 1;
    const all = (on: (pod: number) => PodParams) => Array.from({ length: pods }, (_, pod) => on(pod));
    return poolCapacity(all(params), sample) / poolCapacity(all(paramsOn(ASSUMED)), sample);
  };
  let requests: SimRequest[];
  let factor: number;
  if (options.requests !== undefined) {
    requests = make(options.requests);
    factor = faster(requests);
  } else {
    const count = perSecond * (options.seconds ?? 0);
    factor = faster(options.hardware === undefined ? [] : make(Math.min(SAMPLE, Math.ceil(count))));
    requests = make(Math.round(count * factor));
  }
  if (factor !== 1) for (const request of requests) request.at /= factor;
  return { name, title: kind.title, pods, requests, params };
}
