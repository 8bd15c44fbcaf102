// The simulated pods of one contender. All pods run in this process, because a pod waits for the duration of a step and computes
// nothing. Each has an address of its own, and all have the same port, like the pods of an InferencePool.
import type { PodParams } from "../../simulator/params.ts";
import { type Pod, startPod } from "../../simulator/pod.ts";
import { serve } from "./child.ts";

interface PodsStart {
  model: string;
  adapters: readonly string[];
  params: readonly Partial<PodParams>[];
}

/** Sums over the pods, and the deepest queue since the last call. */
export interface PodsCount {
  prefixQueries: number;
  prefixHits: number;
  generatedTokens: number;
  deepestQueue: number;
  received: number;
  /** Ms for which scrapes occupied the API server process of a pod, mean of the pods. */
  scrapeMs: number;
}

export interface PodsAsks {
  start: { given: PodsStart; answer: string[] };
  count: { given: null; answer: PodsCount };
  stop: { given: null; answer: null };
}

let pods: Pod[] = [];

async function start({ model, adapters, params }: PodsStart): Promise<string[]> {
  const models = [{ id: model, adapters: [...adapters] }];
  for (let attempt = 0; ; attempt++) {
    pods = [];
    try {
      for (const [i, one] of params.entries()) {
        const listen = { host: `127.0.1.${i + 1}`, port: pods[0]?.port ?? 0 };
        pods.push(await startPod({ name: `pod-${i}`, models, params: one, ...listen }));
      }
      return pods.map(({ address }) => address);
    } catch (error) {
      // The port of the first pod may be taken at the address of another pod.
      await Promise.all(pods.map((pod) => pod.close()));
      if (attempt === 10) throw error;
    }
  }
}

serve<PodsAsks>({
  start,
  count() {
    const none = { prefixQueries: 0, prefixHits: 0, generatedTokens: 0, deepestQueue: 0, received: 0 };
    const count: PodsCount = { ...none, scrapeMs: 0 };
    for (const { engine, stats } of pods) {
      count.scrapeMs += stats().scrapeMs / pods.length;
      count.prefixQueries += engine.stats.prefixQueries;
      count.prefixHits += engine.stats.prefixHits;
      count.generatedTokens += engine.stats.generationTokens;
      count.received += engine.stats.received;
      count.deepestQueue = Math.max(count.deepestQueue, engine.stats.deepestQueue);
      engine.stats.deepestQueue = 0;
    }
    return count;
  },
  async stop() {
    await Promise.all(pods.map((pod) => pod.close()));
    return null;
  },
});
