// The known model servers. To add one: write its table in a file beside this one, and add it to BUILT_IN.
import type { Engine } from "./engine-rows.ts";
import { llamaCpp } from "./llama-cpp.ts";
import { ray } from "./ray.ts";
import { sglang } from "./sglang.ts";
import { tgi } from "./tgi.ts";
import { triton } from "./triton.ts";
import { trtllmServe } from "./trtllm-serve.ts";
import { vllm } from "./vllm.ts";

/** The built-in engines, in the order in which the parser tries them when it recognises the engine of a text. */
const BUILT_IN: readonly Engine[] = [vllm, sglang, trtllmServe, triton, ray, tgi, llamaCpp];

/** The name that means: the engine is recognised from the metric names in the text. */
export const AUTO = "auto";
/** The name of a built-in engine, of an engine that the configuration adds under `engines`, or AUTO. */
export type EngineName = string;

export type EngineTable = ReadonlyMap<string, Engine>;

export const ENGINES: EngineTable = new Map(BUILT_IN.map((engine) => [engine.name, engine]));
export const ENGINE_NAMES: readonly string[] = [AUTO, ...ENGINES.keys()];

/**
 * Returns the table of `given`, the engines of the configuration, and the built-in engines. The given engines come first, and
 * replace built-in engines of the same name.
 */
export function engineTable(given: readonly Engine[]): EngineTable {
  const table = new Map(given.map((engine) => [engine.name, engine]));
  for (const engine of BUILT_IN) if (!table.has(engine.name)) table.set(engine.name, engine);
  return table;
}

/** Returns the engines whose rows read a pod's text: the named engine, or all engines for AUTO. */
export function enginesFor(name: EngineName, table: EngineTable): readonly Engine[] {
  const engine = table.get(name);
  return engine === undefined ? [...table.values()] : [engine];
}
