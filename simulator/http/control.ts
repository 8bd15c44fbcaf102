// Routes that change a running pod: the simulator's own routes under /sim, and vLLM's routes for adapters.
import type { IncomingMessage } from "node:http";
import { applyPatch, ParamError } from "../params.ts";
import { type JsonObject, readBody } from "./body.ts";
import { ApiError, badRequest } from "./errors.ts";
import type { Handler, PodState } from "./pod-state.ts";
import { send } from "./send.ts";

export const getParams: Handler = async (pod, _request, response) => {
  send(pod, response, 200, JSON.stringify(pod.params));
};

export const postParams: Handler = async (pod, request, response) => {
  changeParams(pod, await json(request));
  send(pod, response, 200, JSON.stringify(pod.params));
};

/** Checks a patch, applies it and notifies the engines. */
export function changeParams(pod: PodState, patch: unknown): void {
  try {
    applyPatch(pod.params, patch, true);
  } catch (error) {
    if (error instanceof ParamError) throw new ApiError(400, "ParamError", error.message, error.key);
    throw error;
  }
  for (const engine of pod.engines) engine.paramsChanged();
}

/**
 * Changes the adapters: `{"add": ["name", …], "remove": ["name", …], "base": "model"}`. The response lists the adapters after
 * the change.
 */
export const postAdapters: Handler = async (pod, request, response) => {
  const body = (await json(request)) as JsonObject | null;
  const add = names(body?.add, "add");
  const remove = names(body?.remove, "remove");
  const base = body?.base;
  if (base !== undefined && (typeof base !== "string" || !pod.models.bases.includes(base))) {
    throw badRequest(`base: ${JSON.stringify(base)} is not allowed, expected one of ${pod.models.bases.join(", ")}`);
  }
  for (const name of remove) pod.models.unload(name);
  for (const name of add) load(pod, name, `/adapters/${name}`, base as string | undefined, true);
  send(pod, response, 200, JSON.stringify({ adapters: [...pod.models.adapters.keys()] }));
};

export const loadAdapter: Handler = async (pod, request, response) => {
  const body = (await json(request)) as JsonObject | null;
  const text = (key: string) => (typeof body?.[key] === "string" ? (body[key] as string) : "");
  const done = load(pod, text("lora_name"), text("lora_path"), undefined, body?.load_inplace === true);
  send(pod, response, 200, done, { "content-type": "text/plain; charset=utf-8" });
};

export const unloadAdapter: Handler = async (pod, request, response) => {
  const body = (await json(request)) as JsonObject | null;
  const done = pod.models.unload(typeof body?.lora_name === "string" ? body.lora_name : "");
  send(pod, response, 200, done, { "content-type": "text/plain; charset=utf-8" });
};

export const getStats: Handler = async (pod, _request, response) => {
  send(pod, response, 200, JSON.stringify(statsOf(pod)));
};

export interface PodStats {
  name: string;
  received: number;
  finished: number;
  aborted: number;
  refused: number;
  models: Record<string, { received: number; finished: number; aborted: number }>;
  running: number;
  waiting: number;
  deepestQueue: number;
  kvUsage: number;
  promptTokens: number;
  prefixHitTokens: number;
  generatedTokens: number;
  preemptions: number;
  evictions: number;
  steps: number;
  /** Answered scrapes, and ms for which they occupied the API server processes. */
  scrapes: number;
  scrapeMs: number;
}

/**
 * Returns the counts since the start. `running` and `waiting` are current values, not the values at the end of the last step.
 */
export function statsOf(pod: PodState): PodStats {
  const { received, finished, aborted, refused, models } = pod.counts;
  const sum = (read: (engine: PodState["engines"][number]) => number) =>
    pod.engines.reduce((total, engine) => total + read(engine), 0);
  return {
    name: pod.name,
    received,
    finished,
    aborted,
    refused,
    models: Object.fromEntries(models),
    running: sum((engine) => engine.runningNow),
    waiting: sum((engine) => engine.waitingNow),
    deepestQueue: Math.max(...pod.engines.map((engine) => engine.stats.deepestQueue)),
    kvUsage: sum((engine) => engine.cache.usage) / pod.engines.length,
    promptTokens: sum((engine) => engine.stats.promptTokens),
    prefixHitTokens: sum((engine) => engine.stats.prefixHits),
    generatedTokens: sum((engine) => engine.stats.generationTokens),
    preemptions: sum((engine) => engine.stats.preemptions),
    evictions: sum((engine) => engine.cache.evictions),
    steps: sum((engine) => engine.stats.steps),
    scrapes: pod.processes.pages,
    scrapeMs: pod.processes.pageMs,
  };
}

function load(pod: PodState, name: string, root: string, base: string | undefined, inPlace: boolean): string {
  const done = pod.models.load(name, root, base, inPlace);
  for (const engine of pod.engines) {
    engine.enableLora();
    engine.paramsChanged();
  }
  return done;
}

function names(value: unknown, key: string): string[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((name) => typeof name === "string" && name !== "")) return value;
  throw badRequest(`${key}: ${JSON.stringify(value)} is not allowed, expected a list of adapter names`);
}

async function json(request: IncomingMessage): Promise<unknown> {
  const body = (await readBody(request)).toString("utf8");
  try {
    return JSON.parse(body);
  } catch {
    throw badRequest(`body: ${JSON.stringify(body.slice(0, 100))} is not allowed, expected a JSON object`);
  }
}
