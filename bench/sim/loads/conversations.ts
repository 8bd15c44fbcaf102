// Mooncake's conversation trace: real prefixes and turns. traces/README.md has its origin and form.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Draws } from "../draws.ts";
import type { Draft } from "../request.ts";
import { type Kind, user } from "./kind.ts";

/** Lengths are divided by this, so that four small pods hold what the trace's servers held. */
const SCALE = 4;
const BLOCK_TOKENS = 512 / SCALE;
/** The trace has times of 3 s. */
const TICK_MS = 3000;

interface Line {
  at: number;
  input: number;
  output: number;
  /** Equal blocks of 512 tokens have equal ids. */
  blocks: number[];
}

/** `timestamp input output ids`, where `7-9` stands for 7, 8 and 9. */
export function parseTrace(text: string): Line[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [at, input, output, ids] = line.split(" ") as [string, string, string, string];
      const blocks = ids.split(",").flatMap((range) => {
        const [from, to = from] = range.split("-").map(Number) as [number, number?];
        return Array.from({ length: to - from + 1 }, (_, i) => from + i);
      });
      return { at: Number(at), input: Number(input), output: Number(output), blocks };
    });
}

let trace: Line[] | undefined;

function conversations(draws: Draws, times: readonly number[]): Draft[] {
  trace ??= parseTrace(
    readFileSync(fileURLToPath(new URL("../traces/mooncake-conversation.txt", import.meta.url)), "utf8"),
  );
  if (times.length > trace.length)
    throw new RangeError(`mooncake: ${times.length} requests are asked for, the excerpt has ${trace.length}`);
  const lines = trace.slice(0, times.length);
  const span = (lines.at(-1)?.at ?? 0) + TICK_MS;
  const stretch = (times.at(-1) ?? 0) / span;
  const texts = new Map<number, string>();
  const textOf = (block: number): string => {
    let text = texts.get(block);
    if (text === undefined) {
      text = new Draws(Math.imul(block + 1, 0x9e3779b1), draws.texts).text(BLOCK_TOKENS);
      texts.set(block, text);
    }
    return text;
  };
  return lines
    .map(({ at, input, output, blocks }) => {
      const whole = blocks.map(textOf);
      // The last block is not full.
      const rest = Math.min(1, input / 512 - (blocks.length - 1));
      const last = whole.pop() ?? "";
      whole.push(last.slice(0, Math.ceil(last.length * rest)));
      return {
        at: (at + draws.fraction() * TICK_MS) * stretch,
        messages: [user(whole.join(""))],
        outputTokens: Math.max(1, Math.round(output / SCALE)),
      };
    })
    .sort((a, b) => a.at - b.at);
}

export const TRACE_KINDS: Readonly<Record<string, Kind>> = {
  mooncake: {
    title: "Mooncake's conversation trace, lengths / 4",
    rate: 4,
    pods: 4,
    params: () => ({ kvBlocks: 16_384 }),
    make: conversations,
  },
};
