// An Envoy of the simulation: a process of the strict emulator, with the release wasm in the VM of each worker. Every request's body
// goes through the filter, and responses pass it as streams.
import { readFileSync } from "node:fs";
import { Process, Root, Stream } from "../../../emulator/index.ts";
import {
  DESTINATION_HEADER,
  POLL_HEADER,
  REPORT_HEADER,
  SECRET_ENV,
  SECRET_HEADER,
  SNAPSHOT_PATH,
} from "../../../protocol/constants.ts";
import type { Poll } from "../../../sidecar/push/envoy-connection.ts";
import { release } from "../../../testkit/filter/release.ts";
import { Draws } from "../draws.ts";
import { bodyOf, type SimRequest } from "../request.ts";
import type { Route, World } from "../world.ts";

const SECRET = "simulated-secret-of-a-sidecar";
const EPOCH_US = 1_700_000_000_000_000n;
/** Envoy's per_connection_buffer_limit_bytes. */
const BUFFER_BYTES = 32 * 1024 * 1024;
/** Period of a worker's ticks. */
const TICK_MS = 20;
/** After this time no worker counts the requests of a VM that died. */
const DEAD_FORGOTTEN_MS = 2000;

/** The module that `npm run build` makes, or the module that PILOTFISH_WASM names. */
const { PILOTFISH_WASM } = process.env;
const module = PILOTFISH_WASM === undefined ? release : new WebAssembly.Module(readFileSync(PILOTFISH_WASM));

export interface SimEnvoyOptions {
  profile: "load" | "tokens" | "epp";
  /** Each worker has a VM. */
  workers: number;
}

interface Counts {
  inFlight: number;
  inFlightElsewhere: number;
}

interface Worker {
  root: Root;
  /** Whether the VM still runs. Of a dead VM's requests no Envoy hears any more. */
  alive: boolean;
}

/** A request for a traffic report that has no answer yet. */
interface Question {
  stream: Stream;
  worker: Worker;
  answered: (report: Uint8Array | undefined) => void;
}

export class SimEnvoy {
  /** The name by which sidecars know the Envoy. The name outlives the process. */
  readonly origin: string;
  readonly #world: World;
  readonly #options: SimEnvoyOptions;
  readonly #number: number;
  readonly #draws: Draws;
  readonly #podOf: ReadonlyMap<string, number>;
  #process: Process;
  #workers: Worker[] = [];
  #questions: Question[] = [];
  /** The worker of each connection on which a sidecar asks, by the connection's number. */
  readonly #connections = new Map<number, number>();
  /** How many processes the Envoy had before the present one. */
  #earlier = 0;
  /** The process's time at the simulation's time 0; undefined while the process starts. */
  #zero: bigint | undefined;
  #lostVm = false;

  /** The Envoy starts with begin(). */
  constructor(world: World, options: SimEnvoyOptions, number: number) {
    this.origin = `envoy-${number}`;
    this.#world = world;
    this.#options = options;
    this.#number = number;
    this.#podOf = new Map(world.addresses.map((address, pod) => [address, pod]));
    this.#draws = new Draws(world.seed ^ (0xf15 + number));
    this.#process = this.#newProcess();
  }

  /** The process's clock, in microseconds since the Unix epoch. */
  get micros(): bigint {
    this.#follow();
    return this.#process.now / 1000n;
  }

  /** Takes the answers that the filter gave on its ticks up to now. */
  look(): void {
    if (this.#questions.length > 0) this.#follow();
  }

  /** Starts the first process. `supply` pushes the first snapshot, on which the workers then have time for a tick. */
  begin(supply: () => void): void {
    const { workers } = this.#options;
    for (let i = 0; i < workers; i++) {
      this.#workers.push(this.#newWorker());
      // Workers start at different times, so their ticks do not coincide.
      this.#process.advance(TICK_MS / workers);
    }
    supply();
    this.#process.advance(2 * TICK_MS);
    this.#zero = this.#process.now - BigInt(Math.round(this.#world.now() * 1e6));
  }

  /**
   * Kills the process. A new one takes its place at once: it has started before, as when a fleet is upgraded. The pods answer the requests
   * that were in flight. These requests are counted nowhere any more, and the new process knows nothing of them.
   */
  restart(supply: () => void): void {
    this.#follow();
    this.#assertLawful();
    for (const worker of this.#workers) worker.alive = false;
    this.#takeAnswers();
    this.#workers = [];
    this.#connections.clear();
    this.#earlier++;
    this.#lostVm = false;
    this.#process = this.#newProcess();
    this.#zero = undefined;
    this.begin(supply);
  }

  /** The VM of the first worker dies, as by a trap. Envoy gives the worker a new VM; the data that workers share are not lost. */
  loseVm(): void {
    this.#follow();
    this.#lostVm = true;
    const dead = this.#workers[0] as Worker;
    dead.alive = false;
    // The new VM comes first, because the emulator deletes shared data with the last VM.
    this.#workers[0] = this.#newWorker();
    this.#process.forget(dead.root.vm);
    this.#takeAnswers();
  }

  /**
   * Pushes a snapshot or traffic to one of the workers. Returns the traffic report; without a cursor no bytes. Throws if the filter
   * refuses.
   */
  push(body: Uint8Array, cursor?: string): Uint8Array {
    this.#follow();
    const stream = this.#stream(this.#anyWorker());
    const headers = { [SECRET_HEADER]: SECRET, ...(cursor !== undefined && { [REPORT_HEADER]: cursor }) };
    stream.send({ method: "POST", path: SNAPSHOT_PATH, headers, body });
    const answer = answerOf(stream);
    return cursor === undefined ? new Uint8Array(0) : answer;
  }

  /**
   * Asks for a traffic report. The filter may wait with its answer to a poll. `answered` gets the report; undefined: the process or the VM
   * died before. Questions of one connection come to one worker.
   */
  ask(connection: number, cursor: string, poll: Poll | undefined, answered: Question["answered"]): void {
    this.#follow();
    const worker = this.#connections.get(connection) ?? this.#draws.below(this.#workers.length);
    this.#connections.set(connection, worker);
    const asked = this.#workers[worker] as Worker;
    const stream = this.#stream(asked);
    const text = poll && [poll.ms, poll.news, poll.known, poll.collector, poll.envoys].join(".");
    const headers = { [SECRET_HEADER]: SECRET, [REPORT_HEADER]: cursor, ...(text && { [POLL_HEADER]: text }) };
    stream.send({ method: "GET", path: SNAPSHOT_PATH, headers });
    this.#questions.push({ stream, worker: asked, answered });
    this.#takeAnswers();
  }

  route(request: SimRequest): Route {
    this.#follow();
    const worker = this.#anyWorker();
    const stream = this.#stream(worker);
    const { requestHeaders } = stream.send({
      method: "POST",
      path: "/v1/chat/completions",
      headers: { "content-type": "application/json" },
      body: bodyOf(request),
    });
    const upstreamAddress = requestHeaders?.get(DESTINATION_HEADER)?.split(",")[0];
    const pod = this.#podOf.get(upstreamAddress ?? "");
    if (upstreamAddress === undefined || pod === undefined)
      throw new Error(`the filter picked ${upstreamAddress}, expected a pod`);
    return {
      pod,
      firstByte: () => {
        if (!worker.alive) return;
        this.#follow();
        const headers = { "content-type": "text/event-stream" };
        stream.respond({ headers, chunks: ["data: {}\n\n"], upstreamAddress, end: false });
      },
      end: () => {
        if (!worker.alive) return;
        this.#follow();
        stream.responseBody("data: [DONE]\n\n", true);
        stream.finish();
      },
    };
  }

  /** Requests in flight on all pods, as each worker counts them: those of this Envoy, and those of other Envoys. */
  counts(): Counts[] {
    this.#follow();
    return this.#workers.map(({ root }) => countsOf(root));
  }

  /** Throws if a worker still counts a request in flight. */
  close(): void {
    this.#follow();
    this.#process.advance(this.#lostVm ? DEAD_FORGOTTEN_MS : 100);
    for (const { root } of this.#workers) {
      root.vm.assertHealthy();
      const { inFlight } = countsOf(root);
      if (inFlight !== 0) throw new Error(`${inFlight} requests are still counted in flight when all have ended`);
    }
    this.#assertLawful();
  }

  #newProcess(): Process {
    const now = EPOCH_US * 1000n + BigInt(Math.round(this.#world.now() * 1e6));
    return new Process({ now, seed: this.#world.seed * 7 + this.#number + 1 + this.#earlier * 1009 });
  }

  #newWorker(): Worker {
    const vm = this.#process.startVm(module, { vmId: "pilotfish", environment: { [SECRET_ENV]: SECRET } });
    const configuration = JSON.stringify({ pick: { profile: this.#options.profile } });
    return { root: new Root(vm, { configuration, allowOnHeadersStopIteration: true }), alive: true };
  }

  /** Advances the process to the present, with all ticks on the way. */
  #follow(): void {
    if (this.#zero === undefined) return;
    const now = this.#zero + BigInt(Math.round(this.#world.now() * 1e6));
    this.#process.advance(Number(now - this.#process.now) / 1e6);
    this.#takeAnswers();
  }

  /** Hands out the answers to questions, and tells of questions that nobody answers any more. */
  #takeAnswers(): void {
    const done = this.#questions.filter(({ stream, worker }) => !worker.alive || stream.localResponse !== undefined);
    if (done.length === 0) return;
    this.#questions = this.#questions.filter((question) => !done.includes(question));
    for (const { stream, worker, answered } of done) answered(worker.alive ? answerOf(stream) : undefined);
  }

  #anyWorker(): Worker {
    return this.#workers[this.#draws.below(this.#workers.length)] as Worker;
  }

  #stream({ root }: Worker): Stream {
    return new Stream(root, { bufferLimit: BUFFER_BYTES });
  }

  #assertLawful(): void {
    const { violations } = this.#process;
    if (violations.length > 0) throw new Error(`${violations.length} violations of the host's rules: ${violations[0]}`);
  }
}

/** Ends the stream of a message of a sidecar, and returns the body of the filter's answer. Throws if the filter refuses. */
function answerOf(stream: Stream): Uint8Array {
  const { localResponse } = stream;
  if (localResponse?.status !== 200)
    throw new Error(`a sidecar was answered ${localResponse?.status}: ${localResponse?.body}`);
  stream.finish();
  return localResponse.body;
}

/** Sums over the pods of a worker's read-back. Each pod's count adds up without its sign, so that errors do not cancel out. */
function countsOf(root: Root): Counts {
  const stream = new Stream(root);
  const { localResponse } = stream.send({ method: "GET", path: SNAPSHOT_PATH, headers: { [SECRET_HEADER]: SECRET } });
  stream.finish();
  const { endpoints } = JSON.parse(String(localResponse?.body)) as { endpoints: Counts[] };
  const sum = (of: (counts: Counts) => number) => endpoints.reduce((total, one) => total + Math.abs(of(one)), 0);
  return { inFlight: sum(({ inFlight }) => inFlight), inFlightElsewhere: sum((one) => one.inFlightElsewhere) };
}
