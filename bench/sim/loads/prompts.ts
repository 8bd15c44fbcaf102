// Requests with common beginnings: one system prompt for all, sessions of several turns, llm-d's ladder, languages.
import type { Draws } from "../draws.ts";
import type { Draft, Message } from "../request.ts";
import { assistant, type Kind, system, user } from "./kind.ts";

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
      messages.push(assistant(draws.text(output)));
      at += meanPause * (0.5 + draws.fraction());
    }
  }
  return made.sort((a, b) => a.at - b.at).slice(0, times.length);
}

const COLD_REQUESTS = 960;

/** One system prompt of 2,000 tokens for all requests of a period of `periodMs`. */
function onePrompt(draws: Draws, times: readonly number[], periodMs: number): Draft[] {
  let prompt = system("");
  let age = -1;
  return times.map((at) => {
    if (Math.floor(at / periodMs) !== age) prompt = system(draws.text(2000));
    age = Math.floor(at / periodMs);
    const messages = [prompt, user(draws.text(draws.lognormal(100, 0.6, 8, 1000)))];
    return { at, messages, outputTokens: draws.lognormal(100, 0.6, 1, 600) };
  });
}

/**
 * llm-d's benchmark of its optimized baseline: 150 groups of 5 prompts on 8 pods, 60 requests a second at the end. Here half of the
 * pods have half of the groups. The last step is nine tenths of what fixed homes answer (capacity.ts).
 */
const LADDER_GROUPS = 75;
const LADDER_STEPS = [3, 10, 15, 20, 22, 25, 30, 35, 40, 43, 46, 49, 52, 55, 57, 60];
const LADDER_MEAN = LADDER_STEPS.reduce((sum, rate) => sum + rate, 0) / LADDER_STEPS.length;

export const PROMPT_KINDS: Readonly<Record<string, Kind>> = {
  sessions: { title: "500 sessions of 6 turns", rate: 7, make: sessions },
  "one-prompt": {
    title: "one system prompt of 2,000 tokens for all",
    rate: 12,
    make: (draws, times) => onePrompt(draws, times, Number.POSITIVE_INFINITY),
  },
  "cold-prompt": {
    title: "one system prompt of 2,000 tokens for all, another every 10 s",
    rate: 12,
    make: (draws, times, perSecond) => onePrompt(draws, times, (COLD_REQUESTS / perSecond) * 1000),
  },
  ladder: {
    title: "llm-d's ladder: groups of 5 prompts, 6,000 shared and 1,200 own tokens in, 1,000 out, rising in 16 steps",
    rate: 1.1,
    pods: 4,
    params: () => ({ kvBlocks: 16_384 }),
    phases: LADDER_STEPS.map((rate, i) => ({ name: `step ${i + 1}`, rate: rate / LADDER_MEAN, seconds: 1 })),
    make(draws, times) {
      const groups = Array.from({ length: LADDER_GROUPS }, () => draws.text(6000));
      const prompts = groups.flatMap((group) =>
        Array.from({ length: 5 }, () => [system(group), user(draws.text(1200))]),
      );
      return times.map((at) => ({ at, messages: draws.pick(prompts), outputTokens: 1000 }));
    },
  },
  languages: {
    title: "60 customers with system prompts of 2,000 tokens, each in a language or kind of its own, o200k",
    rate: 12,
    pods: 4,
    tokenizer: "o200k_base",
    make(draws, times) {
      const prompts = Array.from({ length: 60 }, () => system(draws.text(2000, "mix")));
      return times.map((at) => {
        const messages = [draws.pick(prompts), user(draws.text(draws.lognormal(300, 0.7, 8, 4000), "mix"))];
        return { at, messages, outputTokens: draws.lognormal(150, 0.6, 1, 1000) };
      });
    },
  },
};
