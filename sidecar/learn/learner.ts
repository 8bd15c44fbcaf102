// The sidecar's learner: what it is given of all servers and all Envoys, and what the next snapshot says about costs. Pins of the
// configuration replace what is learned. All values have bounds and change only gradually (gradual.ts).
import { MAX_MODELS } from "../../protocol/constants.ts";
import type { ModelSums } from "../../protocol/model-sums.ts";
import type { Reading } from "../engines/reading.ts";
import type { Log } from "../log.ts";
import { emptySums, risesOfSums, sumOf } from "./envoy-sums.ts";
import { ModelLearner } from "./model-learner.ts";
import { PinCheck, pinnedTokenizer } from "./pins.ts";
import type { LearnedServer, Pins, ServerCosts } from "./server-costs.ts";
import type { StepCosts } from "./step-fit.ts";
import type { Tokenizer } from "./tokenizer-fit.ts";
import { ToldServer, ToldTokenizer } from "./told.ts";

interface LearnerParts {
  /** Returns the number by which a report names a model. */
  hashOf(model: string): bigint;
  log: Log;
}

interface KnownServer {
  learner: ModelLearner;
  server: LearnedServer;
  told: ToldServer;
}

interface KnownEnvoy {
  at: number;
  sums: ReadonlyMap<bigint, ModelSums>;
}

/** An Envoy that has not reported for this long is forgotten. */
const ENVOY_GONE_MS = 60_000;

export class Learner {
  readonly #parts: LearnerParts;
  /** By the name of the base model. */
  readonly #models = new Map<string, { learner: ModelLearner; hash: bigint; told: ToldTokenizer | undefined }>();
  readonly #servers = new Map<string, KnownServer>();
  readonly #envoys = new Map<string, KnownEnvoy>();
  readonly #checks: PinCheck;

  constructor(parts: LearnerParts) {
    this.#parts = parts;
    this.#checks = new PinCheck(parts.log);
  }

  /** Takes a good scrape of a server. `at`: ms, at about the time when the server wrote its page. */
  scraped(server: LearnedServer, reading: Reading, at: number): void {
    if (server.models.length === 0) return;
    const learner = this.#learnerOf(server.models);
    if (this.#servers.get(server.address)?.learner !== learner) this.serverGone(server.address);
    const known = this.#servers.get(server.address) ?? { learner, server, told: new ToldServer() };
    known.server = server;
    this.#servers.set(server.address, known);
    learner.scraped(server.address, reading, at);
  }

  /** Takes the sums of an Envoy's report. `envoy`: the Envoy's id; `sums`: by the hash of the base model's name. */
  reported(envoy: string, sums: ReadonlyMap<bigint, ModelSums>, at: number): void {
    for (const [other, known] of this.#envoys) if (at - known.at > ENVOY_GONE_MS) this.#envoys.delete(other);
    const before = this.#envoys.get(envoy);
    this.#envoys.set(envoy, { at, sums });
    const rises = new Map<ModelLearner, ModelSums | undefined>();
    for (const { learner, hash } of this.#models.values()) {
      const one = before === undefined ? undefined : riseOf(before.sums.get(hash), sums.get(hash));
      const others = rises.has(learner) ? rises.get(learner) : emptySums();
      rises.set(learner, one === undefined || others === undefined ? undefined : sumOf(others, one));
    }
    for (const [learner, rise] of rises) learner.reported(envoy, rise, at);
  }

  serverGone(address: string): void {
    this.#servers.get(address)?.learner.serverGone(address);
    this.#servers.delete(address);
  }

  /** Returns what the snapshot of the time `at`, ms, says about a server. `reading`: the server's last reading. */
  costsOf(server: LearnedServer, reading: Reading | null, pins: Pins, at: number): ServerCosts {
    const known = this.#servers.get(server.address);
    if (known === undefined) return new ToldServer().costs({}, pins, reading, at);
    const { learner, told } = known;
    const { step, sequence } = learner.stepsOf(server.address);
    const learned = { rate: learner.rateOf(server.address), step, sequence, capacityFactor: learner.capacityFactor };
    this.#checks.server(server, learned, pins);
    return told.costs(learned, pins, reading, at);
  }

  /** Whether more frequent scrapes of a server would help now. `at`: ms. */
  wantsScrapes(address: string, at: number): boolean {
    return this.#servers.get(address)?.learner.wantsScrapes(address, at) ?? false;
  }

  /** Returns what a server's steps cost, as the learner believes now; a snapshot follows gradually. */
  stepsOf(address: string): Partial<StepCosts> {
    return this.#servers.get(address)?.learner.stepsOf(address) ?? {};
  }

  /** Returns what the snapshot of the time `at`, ms, says about a base model's tokens; undefined: nothing is known. */
  tokenizerOf(model: string, pins: Pins, at: number): Tokenizer | undefined {
    const known = this.#models.get(model);
    const learned = known?.learner.tokenizer;
    if (known !== undefined && learned !== undefined) {
      this.#checks.tokenizer(model, learned, known.learner.tokenWindows, pins);
      known.told ??= new ToldTokenizer(at);
      known.told.follow(learned, at);
    }
    return pinnedTokenizer(pins) ?? known?.told?.tokenizer;
  }

  /**
   * Returns the learner that all of these base models share. Learners of models that turn out to share a server
   * become one: the learner that has learned most.
   */
  #learnerOf(models: readonly string[]): ModelLearner {
    let learner = this.#models.get(models[0] as string)?.learner;
    for (const model of models) {
      const other = this.#models.get(model)?.learner;
      if (other !== undefined && (learner === undefined || other.tokenWindows > learner.tokenWindows)) learner = other;
    }
    learner ??= new ModelLearner();
    for (const model of models) {
      const known = this.#models.get(model);
      if (known !== undefined) known.learner = learner;
      else {
        if (this.#models.size >= MAX_MODELS) this.#forgetModels();
        this.#models.set(model, { learner, hash: this.#parts.hashOf(model), told: undefined });
      }
    }
    return learner;
  }

  /** Forgets the models that no server lists now. A server may list other names all the time. */
  #forgetModels(): void {
    const listed = new Set([...this.#servers.values()].flatMap(({ server }) => server.models));
    for (const model of this.#models.keys()) if (!listed.has(model)) this.#models.delete(model);
  }
}

/** Returns how much a model's sums rose. An Envoy leaves out the models that had no traffic. */
function riseOf(before: ModelSums | undefined, after: ModelSums | undefined): ModelSums | undefined {
  if (after === undefined) return before === undefined ? emptySums() : undefined;
  return risesOfSums(before ?? emptySums(), after);
}
