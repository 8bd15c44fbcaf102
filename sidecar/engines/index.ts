// The model servers that are known, in the order in which a text is tried for being theirs.
import type { Engine } from "./engine-rows.ts";
import { llamaCpp, tgi } from "./others.ts";
import { ray } from "./ray.ts";
import { sglang } from "./sglang.ts";
import { triton, trtllmServe } from "./trtllm.ts";
import { vllm } from "./vllm.ts";

const BUILT_IN: readonly Engine[] = [vllm, sglang, trtllmServe, triton, ray, tgi, llamaCpp];

/** Whatever server the text is by. */
export const AUTO = "auto";
/** One of the table, one that the configuration adds under `engines`, or AUTO. */
export type EngineName = string;

export type EngineTable = ReadonlyMap<string, Engine>;

export const ENGINES: EngineTable = new Map(BUILT_IN.map((engine) => [engine.name, engine]));
export const ENGINE_NAMES: readonly string[] = [AUTO, ...ENGINES.keys()];

/** The table with those of the configuration, which stand before the others: whoever gives one means it. */
export function engineTable(given: readonly Engine[]): EngineTable {
  const table = new Map(given.map((engine) => [engine.name, engine]));
  for (const engine of BUILT_IN) if (!table.has(engine.name)) table.set(engine.name, engine);
  return table;
}

/** Whose rows a pod's text is read by. */
export function enginesFor(name: EngineName, table: EngineTable): readonly Engine[] {
  const engine = table.get(name);
  return engine === undefined ? [...table.values()] : [engine];
}
