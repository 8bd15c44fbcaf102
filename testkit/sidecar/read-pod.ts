// A pod whose metrics and models were read 100 ms before a test's time 1000.
import { Health } from "../../sidecar/health.ts";
import type { Pod } from "../../sidecar/pod.ts";

const UNREAD = { offloadGiB: null, cacheBytes: null, counters: {} };

export function pod(address: string, model: string, fields: Partial<Pod> = {}): Pod {
  const health = new Health(1);
  health.scraped();
  health.modelsRead();
  const reading = { engine: "vllm", waiting: 1, running: 4, kvUsage: 0.5, asleep: false };
  return {
    address,
    origin: `http://${address}`,
    engine: "vllm",
    health,
    reading: { ...reading, kvBlocks: 100, blockTokens: 16, ...UNREAD, adapters: null, samples: 1, malformed: 0 },
    scrapedAt: 900,
    models: [{ name: model, parent: null }],
    ...fields,
  };
}
