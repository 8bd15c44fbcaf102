// Requests without long common prefixes: sizes of a public trace, bursts, adapters, long answers.
import type { Draws } from "../draws.ts";
import type { Draft } from "../request.ts";
import { type Kind, user } from "./kind.ts";

/** Requests per second and pod at which pods are saturated by `azure`. */
const AZURE_FULL = 9;
const BURST = 200;

/** Sizes as in Azure's conversation trace of 2023: medians of 1,020 prompt tokens and 129 output tokens. */
function azure(draws: Draws, times: readonly number[]): Draft[] {
  return times.map((at) => {
    const messages = [user(draws.text(draws.lognormal(1020, 0.8, 8, 14000)))];
    return { at, messages, outputTokens: draws.lognormal(129, 0.9, 1, 1000) };
  });
}

/** Times of bursts of 200, each within `ms`; as many requests a second as the load's rate says. */
function inBursts(draws: Draws, times: readonly number[], perSecond: number, ms: number): number[] {
  const everyMs = (BURST / perSecond) * 1000;
  return times.map((_, i) => Math.floor(i / BURST) * everyMs + draws.fraction() * ms).sort((a, b) => a - b);
}

export const CHAT_KINDS: Readonly<Record<string, Kind>> = {
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
  hetero: {
    title: "Azure-like sizes, two of 4 pods at a fifth of the speed",
    rate: 5,
    pods: 4,
    make: azure,
    params: (pod) => (pod < 2 ? { speed: 0.2 } : {}),
  },
  "long-answers": {
    title: "200 tokens in, 900 out; the answers fill the KV caches of 4 pods",
    rate: 4.25,
    pods: 4,
    params: () => ({ kvBlocks: 8192 }),
    make: (draws, times) =>
      times.map((at) => {
        const messages = [user(draws.text(draws.lognormal(200, 0.6, 8, 4000)))];
        return { at, messages, outputTokens: draws.lognormal(900, 0.7, 1, 4000) };
      }),
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
    title: `bursts of ${BURST} every 5 s`,
    rate: 5,
    make: (draws, times, perSecond) => azure(draws, inBursts(draws, times, perSecond, 50)),
  },
  "idle-bursts": {
    title: `bursts of ${BURST} every 5 s, which end before the next`,
    rate: 5,
    make: (draws, times, perSecond) =>
      inBursts(draws, times, perSecond, 40).map((at) => {
        const messages = [user(draws.text(draws.lognormal(1020, 0.8, 8, 14000)))];
        return { at, messages, outputTokens: draws.lognormal(60, 0.5, 1, 150) };
      }),
  },
};
