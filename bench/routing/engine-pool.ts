// Dynamo's mocker engines as the pods of a run. What simulated pods count, these frontends show in their metrics.
import { startEngines } from "../../testkit/peers/dynamo.ts";
import { MODEL } from "../sim/request.ts";
import type { PodsCount } from "./pods.ts";
import type { Pool } from "./pool.ts";

interface EnginePoolStart {
  pods: number;
  blocks: number;
  /** Whether Dynamo's router is the contender. */
  routed: boolean;
  folder: string;
}

export async function openEngines({ pods, blocks, routed, folder }: EnginePoolStart): Promise<Pool> {
  const { addresses, engines, frontends, stop } = await startEngines({
    model: MODEL,
    engines: pods,
    blocks,
    routed,
    folder,
  });
  const [servers, router] = [engines.map(({ pid }) => pid), frontends.map(({ pid }) => pid)];
  const pids: Record<string, number[]> = routed ? { pods: servers, dynamo: router } : { pods: [...servers, ...router] };
  return { addresses, pids, count: () => countOf(addresses), stop };
}

/** The frontends show no queues and no cost of scrapes, so both are 0. */
async function countOf(addresses: readonly string[]): Promise<PodsCount> {
  const none = { prefixQueries: 0, prefixHits: 0, generatedTokens: 0, deepestQueue: 0, received: 0 };
  const count: PodsCount = { ...none, scrapeMs: 0 };
  for (const address of addresses) {
    const page = await (await fetch(`http://${address}/metrics`)).text();
    count.prefixQueries += total(page, "dynamo_frontend_input_sequence_tokens_sum");
    count.prefixHits += total(page, "dynamo_frontend_cached_tokens_sum");
    count.generatedTokens += total(page, "dynamo_frontend_output_tokens_total");
    count.received += total(page, "dynamo_frontend_input_sequence_tokens_count");
  }
  return count;
}

/** Sum of a metric's series. */
export function total(page: string, metric: string): number {
  let sum = 0;
  for (const line of page.split("\n")) {
    const end = line[metric.length];
    if (line.startsWith(metric) && (end === "{" || end === " ")) sum += Number(line.slice(line.lastIndexOf(" ") + 1));
  }
  return sum;
}
