// Agents that call tools: long tool schemas in front, a growing context, short answers, many turns close together.
import type { Draws } from "../draws.ts";
import type { Draft, Message } from "../request.ts";
import { assistant, type Kind, system, user } from "./kind.ts";

const AGENTS = 12;
const TOOLS = 24;
const FEWEST_TURNS = 6;
const MORE_TURNS = 15;
const MEAN_TURNS = FEWEST_TURNS + (MORE_TURNS - 1) / 2;
/** Ms that a tool takes: median, and the spread of the lognormal distribution. */
const TOOL_MS = 1500;
/** Ms before the load's start at which the first sessions begin, so that the load begins with sessions of all ages. */
const EARLIER_MS = 60_000;

interface Agent {
  tools: readonly unknown[];
  instructions: Message;
}

/** A tool as OpenAI's API describes it, some 150 tokens. */
function tool(draws: Draws, number: number): unknown {
  const properties = Object.fromEntries(
    Array.from({ length: 3 }, (_, i) => [`field_${i}`, { type: "string", description: draws.text(20) }]),
  );
  const parameters = { type: "object", properties, required: ["field_0"] };
  return { type: "function", function: { name: `tool_${number}`, description: draws.text(50), parameters } };
}

function agents(draws: Draws, times: readonly number[], perSecond: number): Draft[] {
  const all: Agent[] = Array.from({ length: AGENTS }, () => ({
    tools: Array.from({ length: TOOLS }, (_, i) => tool(draws, i)),
    instructions: system(draws.text(800)),
  }));
  const made: Draft[] = [];
  const last = times.at(-1) ?? 0;
  for (let start = -EARLIER_MS; start < last; start += draws.gap(perSecond / MEAN_TURNS)) {
    const { tools, instructions } = draws.pick(all);
    const messages: Message[] = [instructions, user(draws.text(draws.lognormal(150, 0.6, 8, 2000)))];
    const turns = FEWEST_TURNS + draws.below(MORE_TURNS);
    let at = start;
    for (let turn = 0; turn < turns; turn++) {
      const outputTokens = draws.lognormal(60, 0.6, 4, 400);
      if (at >= 0) made.push({ at, messages: [...messages], outputTokens, tools });
      messages.push(assistant(draws.text(outputTokens)));
      messages.push({ role: "tool", content: draws.text(draws.lognormal(350, 1, 10, 6000)) });
      // A model decodes some 60 tokens a second for one client.
      at += outputTokens * 17 + draws.lognormal(TOOL_MS, 0.7, 50, 30_000);
    }
  }
  return made.sort((a, b) => a.at - b.at).slice(0, times.length);
}

export const AGENT_KINDS: Readonly<Record<string, Kind>> = {
  agents: {
    title: `${AGENTS} agents with ${TOOLS} tools each; 6 to 20 turns some 3 s apart, short answers`,
    rate: 8,
    pods: 4,
    params: () => ({ kvBlocks: 16_384 }),
    make: agents,
  },
};
