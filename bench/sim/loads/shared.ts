// Customers with long system prompts, more or fewer than the pods' caches hold.
import type { PodParams } from "../../../simulator/params.ts";
import { type Kind, type Phase, system, user } from "./kind.ts";

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

/**
 * Requests per second and pod that fixed homes answer on these pods, however many arrive (capacity.ts). A bench on other pods multiplies
 * the rate by what these answer.
 */
const CAPACITY = 4.15;
const OVERLOADED: Caches = { ...HALF, full: CAPACITY };

const WINDOW_SECONDS = 20;
const AFTER: readonly Phase[] = Array.from({ length: 8 }, (_, i) => ({
  name: `after ${i * WINDOW_SECONDS} s`,
  rate: 0.8,
  seconds: WINDOW_SECONDS,
}));

/** A minute of 1.3 times the capacity. The first minute fills the caches. */
const RETURN: readonly Phase[] = [
  { name: "filling", rate: 0.8, seconds: 60 },
  { name: "before", rate: 0.8, seconds: 60 },
  { name: "overload", rate: 1.3, seconds: 60 },
  ...AFTER,
];

export const SHARED_KINDS: Readonly<Record<string, Kind>> = {
  "shared-60": shared(0.6, HALF),
  "shared-80": shared(0.8, HALF),
  "shared-95": shared(0.95, HALF),
  "fitting-60": shared(0.6, ALL),
  "fitting-80": shared(0.8, ALL),
  "fitting-95": shared(0.95, ALL),
  "skewed-80": shared(0.8, ALL, 1),
  "skewed-95": shared(0.95, ALL, 1),
  "overload-100": shared(1, OVERLOADED),
  "overload-115": shared(1.15, OVERLOADED),
  "overload-130": shared(1.3, OVERLOADED),
  "overload-return": {
    ...shared(1, OVERLOADED),
    title: "as shared-80; a minute at 1.3 times the capacity, before and after it 0.8 times",
    phases: RETURN,
    fixedPhases: true,
  },
};
