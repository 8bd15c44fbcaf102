// A sidecar of the simulation: it scrapes the pods, learns, pushes snapshots to its Envoys, and carries traffic reports between Envoys. The
// learner and the sums of traffic reports are the real sidecar's. The times of pushes and questions are those of sidecar/push/target.ts and
// sidecar/push/report-reader.ts.
import { BYTE_CLASSES } from "../../../protocol/constants.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import type { AdapterState, EndpointView, ModelView } from "../../../protocol/snapshot.ts";
import { withTraffic } from "../../../protocol/traffic.ts";
import { decodeReport } from "../../../protocol/traffic-report.ts";
import type { ServerCosts } from "../../../sidecar/learn/server-costs.ts";
import type { StepCosts } from "../../../sidecar/learn/step-fit.ts";
import type { Tokenizer } from "../../../sidecar/learn/tokenizer-fit.ts";
import { EnvoyTraffic } from "../../../sidecar/push/envoy-traffic.ts";
import { EndpointIndex } from "../../../sidecar/snapshot/endpoint-index.ts";
import type { Engine } from "../../../simulator/engine/engine.ts";
import { Draws } from "../draws.ts";
import { MODEL } from "../request.ts";
import type { World } from "../world.ts";
import { type Delays, READ_MS } from "./delays.ts";
import { Learning } from "./learning.ts";
import type { SimEnvoy } from "./sim-envoy.ts";
import { trueCosts } from "./true-costs.ts";

export const SCRAPE_MS = 100;
/** The sidecar's source, which keeps its snapshots apart from those of other sidecars. */
const SOURCE = 7n;

export interface SimSidecarOptions {
  /** What the snapshots tell of the pods' costs: nothing, what the sidecar learns (the default), or the true values. */
  costs?: "default" | "learned" | "true";
  /** Called at each scrape of a pod with what is learned, if costs are learned. */
  learned?(address: string, steps: Partial<StepCosts>, tokenizer: Tokenizer | undefined): void;
}

interface SimSidecarParts extends SimSidecarOptions {
  /** The Envoys that get snapshots. */
  targets: readonly SimEnvoy[];
  /** The Envoys that are only asked for traffic reports. */
  peers: readonly SimEnvoy[];
  delays: Delays;
  number: number;
}

/** What the sidecar knows of its exchange with one Envoy. Times are in ms of simulated time. */
interface Link {
  envoy: SimEnvoy;
  isTarget: boolean;
  /** Whether a message is on its way. The next one waits for the answer. */
  asking: boolean;
  /** Whether the next snapshot differs from the last one that was sent. */
  dirty: boolean;
  /** Whether a push is set for later. */
  planned: boolean;
  startedAt: number;
  reportedAt: number;
}

interface Scrape {
  endpoint: EndpointView;
  present: ReadonlySet<string>;
}

const NOBODY: ReadonlySet<string> = new Set();

export class SimSidecar {
  readonly #world: World;
  readonly #parts: SimSidecarParts;
  readonly #index: EndpointIndex;
  readonly #draws: Draws;
  #learning: Learning | undefined;
  #traffic: EnvoyTraffic;
  #links: readonly Link[];
  #scrapes: readonly Scrape[];
  #scrapedAt: number;

  /** Scrapes once, so that the Envoys can be supplied. */
  constructor(world: World, parts: SimSidecarParts) {
    this.#world = world;
    this.#parts = parts;
    this.#index = new EndpointIndex(world.addresses.toSorted());
    this.#draws = new Draws(world.seed ^ (0x51de + parts.number));
    this.#learning = this.#newLearning();
    this.#traffic = this.#newTraffic();
    this.#links = this.#newLinks();
    this.#scrapes = this.#scrape();
    this.#scrapedAt = world.now();
  }

  /** Starts the scrapes and the questions. */
  start(): void {
    this.#world.every(SCRAPE_MS, () => {
      const scrapes = this.#scrape();
      const at = this.#world.now();
      this.#world.after(READ_MS, () => {
        this.#scrapes = scrapes;
        this.#scrapedAt = at;
        this.#changed();
      });
    });
    if (this.#exchanging) this.#world.every(this.#parts.delays.intervalMs, () => this.#look());
  }

  /** Forgets what it learned and received, as a new process. Its Envoys must be new too, because they would keep out another source. */
  restart(): void {
    this.#learning = this.#newLearning();
    this.#traffic = this.#newTraffic();
    this.#links = this.#newLinks();
  }

  /** Gives a new process of an Envoy its first snapshot, without a delay. */
  supply(envoy: SimEnvoy): void {
    const cursor = this.#cursor(envoy);
    const report = envoy.exchange(this.#snapshot(envoy, 0), cursor);
    // This makes no push to the other Envoys due, because they may not have begun.
    if (cursor !== undefined) this.#receive(envoy, report);
  }

  get #exchanging(): boolean {
    return this.#links.length > 1;
  }

  #newLearning(): Learning | undefined {
    return (this.#parts.costs ?? "learned") === "learned" ? new Learning() : undefined;
  }

  #newTraffic(): EnvoyTraffic {
    // As in sidecar/push/envoys.ts: numbers of prefix records rise, also after a restart.
    return new EnvoyTraffic(() => this.#world.now(), Math.floor(this.#world.now() * 100));
  }

  #newLinks(): Link[] {
    const link = (envoy: SimEnvoy, isTarget: boolean): Link => {
      const never = Number.NEGATIVE_INFINITY;
      return { envoy, isTarget, asking: false, dirty: false, planned: false, startedAt: never, reportedAt: never };
    };
    const { targets, peers } = this.#parts;
    return [...targets.map((envoy) => link(envoy, true)), ...peers.map((envoy) => link(envoy, false))];
  }

  /** Says which prefix updates of the Envoy were received; undefined: nobody wants its traffic reports. */
  #cursor({ origin }: SimEnvoy): string | undefined {
    return this.#exchanging || this.#learning !== undefined ? this.#traffic.cursor(origin) : undefined;
  }

  /** The next snapshots differ from the last ones. */
  #changed(): void {
    for (const link of this.#links) {
      if (!link.isTarget) continue;
      link.dirty = true;
      this.#plan(link);
    }
  }

  #plan(link: Link): void {
    if (link.asking || link.planned) return;
    const wait = link.startedAt + this.#parts.delays.intervalMs - this.#world.now();
    if (wait <= 0) {
      this.#push(link);
      return;
    }
    link.planned = true;
    this.#world.after(wait, () => {
      link.planned = false;
      if (this.#links.includes(link)) this.#push(link);
    });
  }

  #push(link: Link): void {
    link.dirty = false;
    link.startedAt = this.#world.now();
    this.#ask(link, this.#snapshot(link.envoy, this.#parts.delays.networkMs));
  }

  /** Asks the Envoys for their traffic reports that no push has returned lately. */
  #look(): void {
    for (const link of this.#links) {
      const { reportedAt } = link;
      const due = reportedAt + this.#parts.delays.intervalMs;
      this.#world.after(Math.max(0, due - this.#world.now()), () => {
        if (this.#links.includes(link) && !link.asking && link.reportedAt === reportedAt) this.#ask(link, undefined);
      });
    }
  }

  /** Pushes `body`, or without one only asks. Takes the traffic report that is the answer. */
  #ask(link: Link, body: Uint8Array | undefined): void {
    const { envoy } = link;
    link.asking = true;
    const cursor = this.#cursor(envoy);
    this.#world.after(this.#transit(), () => {
      const report = envoy.exchange(body, cursor);
      this.#world.after(this.#transit(), () => {
        if (!this.#links.includes(link)) return;
        link.asking = false;
        if (cursor !== undefined) {
          link.reportedAt = this.#world.now();
          if (this.#receive(envoy, report)) this.#changed();
        }
        if (link.dirty) this.#plan(link);
      });
    });
  }

  /** Takes a traffic report. Returns whether it has news for the other Envoys. */
  #receive({ origin }: SimEnvoy, body: Uint8Array): boolean {
    const report = decodeReport(body);
    this.#learning?.reported(report, this.#world.now());
    return this.#traffic.receive(origin, report) && this.#exchanging;
  }

  /** Ms that a message is on its way. */
  #transit(): number {
    const { networkMs, jitterMs } = this.#parts.delays;
    return networkMs + (jitterMs > 0 ? this.#draws.fraction() * jitterMs : 0);
  }

  #scrape(): Scrape[] {
    const { pods, addresses, adapters } = this.#world;
    return pods.map((pod, i) => ({
      endpoint: {
        address: addresses[i] as string,
        ready: true,
        draining: false,
        asleep: false,
        waiting: pod.stats.waiting,
        running: pod.stats.running,
        kvUsage: pod.stats.kvUsage,
        scrapeAgeMs: 0,
        kvBlocks: pod.params.kvBlocks,
        blockTokens: pod.params.blockSize,
        ...(this.#parts.costs === "true" && trueCosts(pod.params, this.#world.meanPromptTokens)),
        ...this.#learned(addresses[i] as string, pod),
        maxLora: adapters.length > 0 ? pod.params.maxLoras : 0,
      },
      present: adapters.length > 0 ? presentAdapters(pod) : NOBODY,
    }));
  }

  /** Learns from a scrape. Returns what the next snapshot says about the pod. */
  #learned(address: string, pod: Engine): ServerCosts | undefined {
    const learning = this.#learning;
    const costs = learning?.scraped(address, pod, this.#world.now());
    if (learning !== undefined) this.#parts.learned?.(address, learning.stepsOf(address), this.#tokenizer());
    return costs;
  }

  /** What the next snapshot says about the tokens of the model's prompts; undefined: nothing. */
  #tokenizer(): Tokenizer | undefined {
    if (this.#parts.costs !== "true") return this.#learning?.tokenizer(this.#world.now());
    return { tokensPerRequest: 0, tokensPerByte: new Array<number>(BYTE_CLASSES).fill(this.#world.tokensPerByte) };
  }

  /** The bytes of the next push to an Envoy, which the Envoy gets after `transitMs`. */
  #snapshot(envoy: SimEnvoy, transitMs: number): Uint8Array {
    const scrapeAgeMs = Math.ceil(this.#world.now() - this.#scrapedAt + transitMs);
    const endpoints = this.#scrapes.map(({ endpoint }) => ({ ...endpoint, scrapeAgeMs }));
    const served = endpoints.map(({ address }) => ({ address, state: "listed" as AdapterState }));
    const models: ModelView[] = [{ name: MODEL, kind: "base", base: MODEL, endpoints: served }];
    for (const name of this.#world.adapters) {
      const states = this.#scrapes.map(({ endpoint, present }) => ({
        address: endpoint.address,
        state: (present.has(name) ? "running" : "listed") as AdapterState,
      }));
      models.push({ name, kind: "adapter", base: MODEL, endpoints: states });
    }
    const tokenizer = this.#tokenizer();
    const tokenizers = tokenizer && [{ model: MODEL, ...tokenizer }];
    const bytes = encodeSnapshot({ version: envoy.micros, source: SOURCE, endpoints, models, tokenizers });
    const others = this.#exchanging ? this.#traffic.othersOf(envoy.origin, this.#index) : undefined;
    return others === undefined ? bytes : withTraffic(bytes, others.envoys, others.counts, others.prefixes);
  }
}

/** The label of the newest `vllm:lora_requests_info` series: adapters with requests on the pod. */
function presentAdapters(pod: Engine): ReadonlySet<string> {
  const label = [...pod.stats.loraSeries.keys()].at(-1) ?? "";
  return new Set(label === "" ? [] : label.split(","));
}
