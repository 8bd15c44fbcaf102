// The keys under `learn`: whether costs are learned, and values that are given instead.
import { z } from "zod";
import { nameProblem } from "../../protocol/grammar.ts";
import type { Pins } from "../learn/server-costs.ts";
import { described, expected } from "./values.ts";

function number(min: number, max: number, description: string) {
  const text = `a number from ${min} to ${max}`;
  return z.number(expected(text)).min(min, text).max(max, text).optional().meta(described(description, "learned"));
}

const pin = z.strictObject(
  {
    models: z
      .array(
        z.string(expected("a model name")).refine((name) => nameProblem(name) === null, "a model name"),
        expected("a list of model names"),
      )
      .prefault([])
      .describe("The base models for which the values count. An empty list: all models."),
    pools: z
      .array(z.string(expected("a pool's name")), expected("a list of pools"))
      .prefault([])
      .describe("The pools for whose endpoints the values count, as `namespace/name`. An empty list: all pools."),
    bytesPerToken: number(0.5, 16, "Bytes of a prompt for each token."),
    prefillRate: number(10, 10_000_000, "Uncached prompt tokens that an endpoint prefills in a second."),
    stepMs: number(0.01, 60_000, "Milliseconds of an engine step without its prefill and its sequences."),
    sequenceMs: number(0.0001, 60_000, "Milliseconds that one more running sequence adds to an engine step."),
    cacheTokens: number(1, 1e12, "Tokens that the KV cache of an endpoint holds, offloaded blocks included."),
  },
  expected("an object with values"),
);

export const learn = z
  .strictObject({
    enabled: z
      .boolean(expected("true or false"))
      .default(true)
      .describe("`true`: the servers' costs are learned from their counters and from the Envoys' traffic reports."),
    pins: z
      .array(pin, expected("a list of objects"))
      .prefault([])
      .describe("Values that replace learned ones. Of several that apply, the first with the value counts."),
  })
  .prefault({});

type LearnConfig = z.output<typeof learn>;

/** Returns the pins of an endpoint or a model with these base models and pools. */
export function pinsOf({ pins }: LearnConfig, models: readonly string[], pools: readonly string[]): Pins {
  const applying = pins.filter(
    (one) =>
      (one.models.length === 0 || one.models.some((name) => models.includes(name))) &&
      (one.pools.length === 0 || one.pools.some((name) => pools.includes(name))),
  );
  const first = (key: "bytesPerToken" | "prefillRate" | "stepMs" | "sequenceMs" | "cacheTokens") =>
    applying.find((one) => one[key] !== undefined)?.[key];
  const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000);
  return {
    bytesPerToken: first("bytesPerToken"),
    prefillRate: first("prefillRate"),
    stepSeconds: seconds(first("stepMs")),
    sequenceSeconds: seconds(first("sequenceMs")),
    cacheTokens: first("cacheTokens"),
  };
}
