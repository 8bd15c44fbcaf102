// A sidecar of the simulation: it scrapes the pods, learns, pushes snapshots to its Envoys, and exchanges what the Envoys have in flight
// (sim-exchange.ts). The learner is the real sidecar's.
import { BYTE_CLASSES } from "../../../protocol/constants.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import type { AdapterState, EndpointView, ModelView } from "../../../protocol/snapshot.ts";
import { textHash, withCached } from "../../../protocol/traffic.ts";
import { decodeReport } from "../../../protocol/traffic-report.ts";
import type { ServerCosts } from "../../../sidecar/learn/server-costs.ts";
import type { StepCosts } from "../../../sidecar/learn/step-fit.ts";
import type { Tokenizer } from "../../../sidecar/learn/tokenizer-fit.ts";
import { EnvoyTraffic } from "../../../sidecar/push/envoy-traffic.ts";
import type { PaceOptions } from "../../../sidecar/scrape/timing/scrape-pace.ts";
import { EndpointIndex } from "../../../sidecar/snapshot/endpoint-index.ts";
import type { Engine } from "../../../simulator/engine/engine.ts";
import type { Page } from "../../../simulator/page-cost.ts";
import { Draws } from "../draws.ts";
import { MODEL } from "../request.ts";
import type { World } from "../world.ts";
import type { Delays } from "./delays.ts";
import { Learning } from "./learning.ts";
import type { SimEnvoy } from "./sim-envoy.ts";
import { SimExchange } from "./sim-exchange.ts";
import { SimScrapes } from "./sim-scrapes.ts";
import { trueCosts } from "./true-costs.ts";

/** The pace of the sidecar's defaults. */
export const PACE: PaceOptions = { intervalMs: 50, maxIntervalMs: 2000, share: 0.005 };
/** The shortest time between two pushes to an Envoy, as by default (push.interval). */
const PUSH_MS = 50;
const HEARTBEAT_MS = 500;
/** While Envoys talk, the sidecar knows after this time what all of them had in flight. */
const EXCHANGE_MS = 40;
/** The sidecar's source, which keeps its snapshots apart from those of other sidecars. */
const SOURCE = 7n;

export interface SimSidecarOptions {
  /** What the snapshots tell of the pods' costs: nothing, what the sidecar learns (the default), or the true values. */
  costs?: "default" | "learned" | "true";
  /** The page that the sidecar asks for; default: a restricted one. */
  page?: Page;
  /** How often pods are scraped, instead of PACE. */
  pace?: PaceOptions;
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

interface Scrape {
  /** When the pod was scraped, ms. */
  at: number;
  /** Ms until the page was whole. */
  ms: number;
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
  /** Undefined: the sidecar knows one Envoy only. */
  #exchange: SimExchange | undefined;
  /** The scrape of each pod that pushes have, and the scrape that is on its way. */
  readonly #scrapes: Scrape[];
  readonly #coming: Scrape[];
  readonly #timers: SimScrapes;
  /** When the last push to each Envoy began, ms, and whether the next one is planned. */
  readonly #pushes = new Map<SimEnvoy, { at: number; planned: boolean }>();
  /** When the last traffic report came. */
  #reportedAt = Number.NEGATIVE_INFINITY;
  /** How many processes the sidecar had before the present one. */
  #earlier = 0;

  /** Scrapes once, so that the Envoys can be supplied. */
  constructor(world: World, parts: SimSidecarParts) {
    this.#world = world;
    this.#parts = parts;
    this.#index = indexOf(world);
    this.#draws = new Draws(world.seed ^ (0x51de + parts.number));
    this.#learning = this.#newLearning();
    this.#traffic = this.#newTraffic();
    this.#scrapes = world.pods.map((_, pod) => this.#scrape(pod));
    this.#coming = [...this.#scrapes];
    const hashes = world.addresses.map(textHash);
    this.#timers = new SimScrapes({
      world,
      pace: parts.pace ?? PACE,
      random: () => this.#draws.fraction(),
      read: (pod) => {
        const before = this.#coming[pod]?.present ?? NOBODY;
        const scrape = this.#scrape(pod);
        this.#coming[pod] = scrape;
        const changed = before.size !== scrape.present.size || [...scrape.present].some((name) => !before.has(name));
        return { changed, ms: scrape.ms };
      },
      arrived: (pod) => {
        this.#scrapes[pod] = this.#coming[pod] as Scrape;
        for (const envoy of parts.targets) this.#changed(envoy);
      },
      inFlight: (pod) => this.#traffic.requestsOn(hashes[pod] as bigint),
      reportedSince: () => (this.#exchange === undefined ? this.#reportedAt : world.now() - EXCHANGE_MS),
      usesQueues: () => this.#traffic.usesQueues,
      learns: (pod) => this.#learning?.wantsScrapes(world.addresses[pod] as string, world.now()) === true,
    });
  }

  /** How many scrapes of pods began. */
  get scrapes(): number {
    return this.#timers.scrapes;
  }

  /** Starts the scrapes, the pushes and the exchange. */
  start(): void {
    this.#timers.start();
    for (const envoy of this.#parts.targets)
      this.#world.every(HEARTBEAT_MS / 2, () => {
        if (this.#world.now() - this.#pushesOf(envoy).at > HEARTBEAT_MS) this.#changed(envoy);
      });
    this.#startExchange();
  }

  /** Forgets what it learned and received, as a new process. Its Envoys must be new too, because they would keep out another source. */
  restart(): void {
    this.#earlier++;
    this.#learning = this.#newLearning();
    this.#traffic = this.#newTraffic();
    this.#exchange?.close();
    this.#startExchange();
  }

  /** Gives a new process of an Envoy its first snapshot, without a delay. To the sidecar the Envoy was away before. */
  supply(envoy: SimEnvoy): void {
    this.#traffic.away(envoy.origin);
    const cursor = this.#cursor(envoy);
    this.#received(envoy, envoy.push(this.#snapshot(envoy, 0), cursor));
  }

  #newLearning(): Learning | undefined {
    return (this.#parts.costs ?? "learned") === "learned" ? new Learning() : undefined;
  }

  #newTraffic(): EnvoyTraffic {
    // As in sidecar/push/envoys.ts: numbers of prefix records rise, also after a restart.
    return new EnvoyTraffic(() => this.#world.now(), Math.floor(this.#world.now() * 100));
  }

  #startExchange(): void {
    const { targets, peers, delays, number } = this.#parts;
    const envoys = [...targets, ...peers];
    if (envoys.length < 2) return;
    this.#exchange = new SimExchange(this.#world, {
      envoys,
      isOwn: (envoy) => targets.includes(envoy),
      id: 1 + number + 1000 * this.#earlier,
      connection: number,
      delays,
      traffic: this.#traffic,
      random: () => this.#draws.fraction(),
      transit: () => this.#transit(),
      measured: (report) => this.#learning?.reported(report, this.#world.now()),
    });
    this.#exchange.start();
  }

  /** Says which prefix updates of the Envoy were received; undefined: pushes ask for no traffic reports. */
  #cursor({ origin }: SimEnvoy): string | undefined {
    const { targets, peers } = this.#parts;
    // As in sidecar/push/envoys.ts: the only Envoy is not polled, so its counts come with the answers to pushes.
    return targets.length + peers.length < 2 ? this.#traffic.cursor(origin) : undefined;
  }

  #pushesOf(envoy: SimEnvoy): { at: number; planned: boolean } {
    const known = this.#pushes.get(envoy) ?? { at: Number.NEGATIVE_INFINITY, planned: false };
    this.#pushes.set(envoy, known);
    return known;
  }

  /** Pushes to the Envoy, PUSH_MS after the last push or later. */
  #changed(envoy: SimEnvoy): void {
    const pushes = this.#pushesOf(envoy);
    if (pushes.planned) return;
    pushes.planned = true;
    this.#world.after(Math.max(0, pushes.at + PUSH_MS - this.#world.now()), () => {
      pushes.planned = false;
      pushes.at = this.#world.now();
      this.#push(envoy);
    });
  }

  #push(envoy: SimEnvoy): void {
    const cursor = this.#cursor(envoy);
    const body = this.#snapshot(envoy, this.#parts.delays.networkMs);
    this.#world.after(this.#transit(), () => {
      const report = envoy.push(body, cursor);
      this.#world.after(this.#transit(), () => this.#received(envoy, report));
    });
  }

  /** Takes the traffic report that answered a push; no bytes: none was asked for. */
  #received({ origin }: SimEnvoy, body: Uint8Array): void {
    if (body.length === 0) return;
    const report = decodeReport(body);
    this.#learning?.reported(report, this.#world.now());
    this.#traffic.receive(origin, report);
    this.#reportedAt = this.#world.now();
  }

  /** Ms that a message is on its way. */
  #transit(): number {
    const { networkMs, jitterMs } = this.#parts.delays;
    return networkMs + (jitterMs > 0 ? this.#draws.fraction() * jitterMs : 0);
  }

  #scrape(i: number): Scrape {
    const { pods, addresses, adapters } = this.#world;
    const ms = this.#world.scrape(i, this.#parts.page ?? "restricted");
    const [pod, address] = [pods[i] as Engine, addresses[i] as string];
    return {
      at: this.#world.now(),
      ms,
      endpoint: {
        address,
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
        ...this.#learned(address, pod),
        maxLora: adapters.length > 0 ? pod.params.maxLoras : 0,
      },
      present: adapters.length > 0 ? presentAdapters(pod) : NOBODY,
    };
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
    const ageOf = (at: number) => Math.ceil(this.#world.now() - at + transitMs);
    const endpoints = this.#scrapes.map(({ at, endpoint }) => ({ ...endpoint, scrapeAgeMs: ageOf(at) }));
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
    const cached = this.#traffic.refillOf(envoy.origin, this.#index);
    return cached === undefined ? bytes : withCached(bytes, cached);
  }
}

/** The endpoints in the order of a snapshot, and for how many tokens their caches have room. */
function indexOf({ addresses, pods }: World): EndpointIndex {
  const tokens = new Map(addresses.map((address, i) => [address, tokensOf(pods[i] as Engine)]));
  const order = addresses.toSorted();
  return new EndpointIndex(
    order,
    order.map((address) => tokens.get(address) ?? 0),
  );
}

const tokensOf = ({ params }: Engine): number => params.kvBlocks * params.blockSize;

/** The label of the newest `vllm:lora_requests_info` series: adapters with requests on the pod. */
function presentAdapters(pod: Engine): ReadonlySet<string> {
  const label = [...pod.stats.loraSeries.keys()].at(-1) ?? "";
  return new Set(label === "" ? [] : label.split(","));
}
