// The contender Pilotfish: the release wasm in the strict emulator. Every request's body goes through the filter. The filter gets
// scrapes as pushed snapshots, and responses as streams.
import { readFileSync } from "node:fs";
import { Process, Root, Stream } from "../../emulator/index.ts";
import {
  BYTE_CLASSES,
  DESTINATION_HEADER,
  REPORT_HEADER,
  SECRET_ENV,
  SECRET_HEADER,
  SNAPSHOT_PATH,
} from "../../protocol/constants.ts";
import { encodeSnapshot } from "../../protocol/encode.ts";
import type { AdapterState, EndpointView, ModelView } from "../../protocol/snapshot.ts";
import type { ServerCosts } from "../../sidecar/learn/server-costs.ts";
import type { StepCosts } from "../../sidecar/learn/step-fit.ts";
import type { Tokenizer } from "../../sidecar/learn/tokenizer-fit.ts";
import type { Engine } from "../../simulator/engine/engine.ts";
import { release } from "../../testkit/filter/release.ts";
import { Draws } from "./draws.ts";
import { Learning } from "./learning.ts";
import { bodyOf, MODEL, type SimRequest } from "./request.ts";
import { trueCosts } from "./true-costs.ts";
import type { Contender, Route, Router, World } from "./world.ts";

const SCRAPE_MS = 100;
/** Ms between a scrape and the arrival of its snapshot at a worker. */
const PUSH_MS = 5;
const SECRET = "simulated-secret-of-a-sidecar";
const EPOCH_US = 1_700_000_000_000_000n;
/** Envoy's per_connection_buffer_limit_bytes. */
const BUFFER_BYTES = 32 * 1024 * 1024;

/** The module that `npm run build` makes, or the module that PILOTFISH_WASM names. */
const { PILOTFISH_WASM } = process.env;
const module = PILOTFISH_WASM === undefined ? release : new WebAssembly.Module(readFileSync(PILOTFISH_WASM));

interface PilotfishOptions {
  profile: "load" | "tokens";
  /** Workers of each Envoy, each with a VM. */
  workers: number;
  /** What the snapshots tell of the pods' costs: nothing, what the sidecar learns (the default), or the true values. */
  costs?: "default" | "learned" | "true";
  /** Called at each scrape of a pod with what is learned, if costs are learned. */
  learned?(address: string, steps: Partial<StepCosts>, tokenizer: Tokenizer | undefined): void;
  /** Envoys that share the pods and exchange nothing; default 1. */
  envoys?: number;
}

class Gateway implements Router {
  readonly #world: World;
  readonly #costs: PilotfishOptions["costs"];
  readonly #learning: Learning | undefined;
  readonly #tell: PilotfishOptions["learned"];
  readonly #draws: Draws;
  readonly #process: Process;
  readonly #workers: Root[] = [];
  readonly #podOf: ReadonlyMap<string, number>;
  /** The process's time at the simulation's time 0; undefined before the simulation starts. */
  #origin: bigint | undefined;

  constructor(world: World, options: PilotfishOptions, number: number) {
    this.#world = world;
    this.#costs = options.costs;
    this.#tell = options.learned;
    this.#learning = (options.costs ?? "learned") === "learned" ? new Learning() : undefined;
    this.#podOf = new Map(world.addresses.map((address, pod) => [address, pod]));
    this.#draws = new Draws(world.seed ^ (0xf15 + number));
    this.#process = new Process({ now: EPOCH_US * 1000n, seed: world.seed * 7 + number + 1 });
    const configuration = JSON.stringify({ pick: { profile: options.profile } });
    for (let i = 0; i < options.workers; i++) {
      const vm = this.#process.startVm(module, { vmId: "pilotfish", environment: { [SECRET_ENV]: SECRET } });
      this.#workers.push(new Root(vm, { configuration, allowOnHeadersStopIteration: true }));
      // Workers start at different times, so their ticks do not coincide.
      this.#process.advance(20 / options.workers);
    }
    this.#push(this.#scrape(), 0);
    this.#process.advance(40);
    this.#origin = this.#process.now - BigInt(Math.round(world.now() * 1e6));
    world.every(SCRAPE_MS, () => {
      const endpoints = this.#scrape();
      world.after(PUSH_MS, () => this.#push(endpoints, PUSH_MS));
    });
  }

  /** Advances the process to the present, with all ticks on the way. */
  #follow(): void {
    if (this.#origin === undefined) return;
    const now = this.#origin + BigInt(Math.round(this.#world.now() * 1e6));
    this.#process.advance(Number(now - this.#process.now) / 1e6);
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
        ...(this.#costs === "true" && trueCosts(pod.params, this.#world.meanPromptTokens)),
        ...this.#learned(addresses[i] as string, pod),
        maxLora: adapters.length > 0 ? pod.params.maxLoras : 0,
      },
      present: adapters.length > 0 ? presentAdapters(pod) : NOBODY,
    }));
  }

  #push(scrapes: readonly Scrape[], ageMs: number): void {
    this.#follow();
    const endpoints = scrapes.map(({ endpoint }) => ({ ...endpoint, scrapeAgeMs: ageMs }));
    const served = endpoints.map(({ address }) => ({ address, state: "listed" as AdapterState }));
    const models: ModelView[] = [{ name: MODEL, kind: "base", base: MODEL, endpoints: served }];
    for (const name of this.#world.adapters) {
      const states = scrapes.map(({ endpoint, present }) => ({
        address: endpoint.address,
        state: (present.has(name) ? "running" : "listed") as AdapterState,
      }));
      models.push({ name, kind: "adapter", base: MODEL, endpoints: states });
    }
    const tokenizer = this.#tokenizer();
    const tokenizers = tokenizer && [{ model: MODEL, ...tokenizer }];
    const body = encodeSnapshot({ version: this.#process.now / 1000n, source: 7n, endpoints, models, tokenizers });
    const stream = this.#stream();
    const headers = { [SECRET_HEADER]: SECRET, ...(this.#learning && { [REPORT_HEADER]: this.#learning.cursor }) };
    const outcome = stream.send({ method: "POST", path: SNAPSHOT_PATH, headers, body });
    if (outcome.localResponse?.status !== 200)
      throw new Error(`a snapshot was answered ${outcome.localResponse?.status}: ${outcome.localResponse?.body}`);
    stream.finish();
    this.#learning?.answered(outcome.localResponse.body, this.#world.now());
  }

  /** Lets the sidecar learn from a scrape. Returns what the next snapshot says about the pod. */
  #learned(address: string, pod: Engine): ServerCosts | undefined {
    const learning = this.#learning;
    const costs = learning?.scraped(address, pod, this.#world.now());
    if (learning !== undefined) this.#tell?.(address, learning.stepsOf(address), this.#tokenizer());
    return costs;
  }

  /** What the next snapshot says about the tokens of the model's prompts; undefined: nothing. */
  #tokenizer(): Tokenizer | undefined {
    if (this.#costs !== "true") return this.#learning?.tokenizer(this.#world.now());
    return { tokensPerRequest: 0, tokensPerByte: new Array<number>(BYTE_CLASSES).fill(this.#world.tokensPerByte) };
  }

  #stream(): Stream {
    const worker = this.#workers[this.#draws.below(this.#workers.length)] as Root;
    return new Stream(worker, { bufferLimit: BUFFER_BYTES });
  }

  route(request: SimRequest): Route {
    this.#follow();
    const stream = this.#stream();
    const { requestHeaders } = stream.send({
      method: "POST",
      path: "/v1/chat/completions",
      headers: { "content-type": "application/json" },
      body: bodyOf(request),
    });
    const picked = requestHeaders?.get(DESTINATION_HEADER)?.split(",")[0];
    const pod = this.#podOf.get(picked ?? "");
    if (picked === undefined || pod === undefined) throw new Error(`the filter picked ${picked}, expected a pod`);
    return {
      pod,
      firstByte: () => {
        this.#follow();
        const headers = { "content-type": "text/event-stream" };
        stream.respond({ headers, chunks: ["data: {}\n\n"], upstreamAddress: picked, end: false });
      },
      end: () => {
        this.#follow();
        stream.responseBody("data: [DONE]\n\n", true);
        stream.finish();
      },
    };
  }

  /** Throws if a worker still counts a request in flight. */
  close(): void {
    this.#process.advance(100);
    for (const worker of this.#workers) {
      worker.vm.assertHealthy();
      const stream = new Stream(worker);
      const headers = { [SECRET_HEADER]: SECRET };
      const { localResponse } = stream.send({ method: "GET", path: SNAPSHOT_PATH, headers });
      stream.finish();
      const { endpoints } = JSON.parse(String(localResponse?.body)) as { endpoints: { inFlight: number }[] };
      const left = endpoints.reduce((sum, { inFlight }) => sum + Math.abs(inFlight), 0);
      if (left !== 0) throw new Error(`${left} requests are still counted in flight when all have ended`);
    }
    const violations = this.#process.violations.length;
    if (violations > 0) throw new Error(`${violations} violations of the host's rules: ${this.#process.violations[0]}`);
  }
}

interface Scrape {
  endpoint: EndpointView;
  present: ReadonlySet<string>;
}

const NOBODY: ReadonlySet<string> = new Set();

/** The label of the newest `vllm:lora_requests_info` series: adapters with requests on the pod. */
function presentAdapters(pod: Engine): ReadonlySet<string> {
  const label = [...pod.stats.loraSeries.keys()].at(-1) ?? "";
  return new Set(label === "" ? [] : label.split(","));
}

export function pilotfish(options: PilotfishOptions): Contender {
  const { profile, workers, envoys = 1, costs } = options;
  const name = `${profile}${costs === undefined ? "" : ` (${costs} costs)`}, ${workers} worker${workers > 1 ? "s" : ""}${envoys > 1 ? ` × ${envoys}` : ""}`;
  return {
    name,
    title: `Pilotfish, profile ${profile}, ${envoys > 1 ? `${envoys} Envoys that do not talk, each with ` : ""}${workers} worker(s), scrapes every ${SCRAPE_MS} ms`,
    start(world) {
      const gateways = Array.from({ length: envoys }, (_, i) => new Gateway(world, options, i));
      const draws = new Draws(world.seed ^ 0xe0);
      return {
        route: (request) => (gateways[draws.below(envoys)] as Gateway).route(request),
        close() {
          for (const gateway of gateways) gateway.close();
        },
      };
    },
  };
}
