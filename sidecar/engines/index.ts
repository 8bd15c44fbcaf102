import type { Engine } from "./engine.ts";
import { vllm } from "./vllm.ts";

/** The engines that a configuration can name. */
export const ENGINES = { vllm } as const satisfies Record<string, Engine>;

export type EngineName = keyof typeof ENGINES;
export const ENGINE_NAMES = Object.keys(ENGINES) as [EngineName, ...EngineName[]];
