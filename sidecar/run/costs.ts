// Connects the learner with a run: what scrapes and reports tell it, and what snapshots take from it.
import type { ModelSums } from "../../protocol/model-sums.ts";
import { textHash } from "../../protocol/traffic.ts";
import type { Clock } from "../clock.ts";
import { pinsOf } from "../config/learn.ts";
import type { Config } from "../config/schema.ts";
import { Learner } from "../learn/learner.ts";
import type { LearnedServer, ServerCosts } from "../learn/server-costs.ts";
import type { Tokenizer } from "../learn/tokenizer-fit.ts";
import type { Log } from "../log.ts";
import type { ListedModel, Pod } from "../pod.ts";

/** Makes the learner of a sidecar, which outlives its configurations. */
export function makeLearner(log: Log): Learner {
  return new Learner({ hashOf: textHash, log });
}

/** Limit of the models on the status page and in the sidecar's metrics. */
const MAX_SHOWN_MODELS = 64;

interface CostsParts {
  clock: Clock;
  log: Log;
  learner: Learner;
}

export class Costs {
  readonly #config: Config;
  readonly #clock: Clock;
  readonly #learner: Learner;
  /** A pod's models are the same list until the pod lists others. */
  readonly #bases = new WeakMap<readonly ListedModel[], readonly string[]>();

  /** Without `learn.enabled` only pins count, and the learner learns nothing. */
  constructor(config: Config, { clock, log, learner }: CostsParts) {
    this.#config = config;
    this.#clock = clock;
    this.#learner = config.learn.enabled ? learner : makeLearner(log);
  }

  /** Whether traffic reports are wanted. */
  get wantsReports(): boolean {
    return this.#config.learn.enabled;
  }

  /** Takes a good scrape, which took `seconds`, of this or of another sidecar. */
  scraped(pod: Pod, seconds: number): void {
    // Beside kept signals (scrape/last-signals.ts) the counters would tell of another time.
    if (!this.#config.learn.enabled || pod.reading === null || pod.scrapedAt === null) return;
    if (pod.scrapedAt !== pod.respondedAt) return;
    // The server wrote its page at some time of the scrape.
    this.#learner.scraped(this.#serverOf(pod), pod.reading, pod.scrapedAt + seconds * 500);
  }

  /** Whether the learner wants fast scrapes of a pod. */
  wantsScrapes({ address }: Pod): boolean {
    return this.#config.learn.enabled && this.#learner.wantsScrapes(address, this.#clock.now());
  }

  /** Takes the sums of an Envoy's traffic report. */
  reported(instance: bigint, sums: ReadonlyMap<bigint, ModelSums>): void {
    if (this.#config.learn.enabled) this.#learner.reported(String(instance), sums, this.#clock.now());
  }

  forget(address: string): void {
    this.#learner.serverGone(address);
  }

  ofPod(pod: Pod): ServerCosts {
    const server = this.#serverOf(pod);
    const pins = pinsOf(this.#config.learn, server.models, server.pools);
    return this.#learner.costsOf(server, pod.reading, pins, this.#clock.now());
  }

  /** Returns the tokens of a base model's prompts; undefined: unknown. `pool`: the model's pool, if it has one. */
  ofModel(model: string, pool: string | undefined): Tokenizer | undefined {
    const pins = pinsOf(this.#config.learn, [model], pool === undefined ? [] : [pool]);
    return this.#learner.tokenizerOf(model, pins, this.#clock.now());
  }

  /** Returns the tokens of the prompts of the pods' base models, sorted by name, at most MAX_SHOWN_MODELS. */
  tokenizers(pods: Iterable<Pod>): ReadonlyMap<string, Tokenizer> {
    const models = new Map<string, string | undefined>();
    for (const pod of pods) {
      const { models: bases, pools } = this.#serverOf(pod);
      for (const model of bases) models.set(model, pools[0]);
    }
    const sorted = [...models].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MAX_SHOWN_MODELS);
    const known = sorted.map(([model, pool]) => [model, this.ofModel(model, pool)] as const);
    return new Map(known.filter((one): one is readonly [string, Tokenizer] => one[1] !== undefined));
  }

  #serverOf({ address, models, cluster }: Pod): LearnedServer {
    const pools = cluster?.of.map((of) => of.slice(of.indexOf(" ") + 1)) ?? [];
    return { address, models: this.#basesOf(address, models), pools };
  }

  /** Returns the base models of a pod, sorted. Models of the configuration replace those that the pod lists. */
  #basesOf(address: string, models: readonly ListedModel[]): readonly string[] {
    const { static: fixed } = this.#config.models;
    const serving = Object.entries(fixed).filter(
      ([, { base, endpoints }]) => base === undefined && (endpoints === undefined || endpoints.includes(address)),
    );
    if (serving.length > 0) return serving.map(([name]) => name).sort();
    const known = this.#bases.get(models);
    if (known !== undefined) return known;
    const bases = models
      .flatMap(({ name, parent }) => (parent === null && fixed[name] === undefined ? [name] : []))
      .sort();
    this.#bases.set(models, bases);
    return bases;
  }
}
