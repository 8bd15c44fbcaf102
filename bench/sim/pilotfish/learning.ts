// What a sidecar learns in the simulation: the learner of the real sidecar, which gets each scrape's counters and each traffic report.
import { textHash } from "../../../protocol/traffic.ts";
import type { TrafficReport } from "../../../protocol/traffic-report.ts";
import type { Reading } from "../../../sidecar/engines/reading.ts";
import { Learner } from "../../../sidecar/learn/learner.ts";
import type { ServerCosts } from "../../../sidecar/learn/server-costs.ts";
import type { StepCosts } from "../../../sidecar/learn/step-fit.ts";
import type { Tokenizer } from "../../../sidecar/learn/tokenizer-fit.ts";
import { createLog } from "../../../sidecar/log.ts";
import type { Engine } from "../../../simulator/engine/engine.ts";
import { countersOf } from "../../../testkit/learn/engine-counters.ts";
import { MODEL } from "../request.ts";

const NO_PINS = {};

export class Learning {
  readonly #learner = new Learner({ hashOf: textHash, log: createLog("silent") });

  /** Takes a scrape of a pod and returns what the next snapshot says about the pod. `now`: ms. */
  scraped(address: string, pod: Engine, now: number): ServerCosts {
    const server = { address, models: [MODEL], pools: [] };
    const reading = readingOf(pod);
    this.#learner.scraped(server, reading, now);
    return this.#learner.costsOf(server, reading, NO_PINS, now);
  }

  wantsScrapes(address: string, now: number): boolean {
    return this.#learner.wantsScrapes(address, now);
  }

  /** What the learner believes of a pod's steps. */
  stepsOf(address: string): Partial<StepCosts> {
    return this.#learner.stepsOf(address);
  }

  /** Takes a traffic report. `now`: ms. */
  reported({ instance, sums }: TrafficReport, now: number): void {
    this.#learner.reported(String(instance), sums, now);
  }

  tokenizer(now: number): Tokenizer | undefined {
    return this.#learner.tokenizerOf(MODEL, NO_PINS, now);
  }
}

/** What a scrape of the pod's /metrics reads. */
function readingOf(pod: Engine): Reading {
  const { stats, params } = pod;
  return {
    engine: "vllm",
    waiting: stats.waiting,
    running: stats.running,
    kvUsage: stats.kvUsage,
    asleep: false,
    kvBlocks: params.kvBlocks,
    blockTokens: params.blockSize,
    // As on the page: the first level has 1 GiB (simulator/README.md).
    offloadGiB: params.offloadBlocks > 0 ? params.offloadBlocks / params.kvBlocks : null,
    cacheBytes: 2 ** 30,
    counters: countersOf(pod),
    adapters: null,
    samples: 0,
    malformed: 0,
  };
}
