// An emulated Envoy whose workers run the release wasm, and the requests of its clients and its sidecar.
import assert from "node:assert/strict";
import { type Outcome, Process, type RequestInput, Root, Stream } from "../../emulator/index.ts";
import type { SharedData } from "../../emulator/shared-data.ts";
import {
  BASE_MODEL_HEADER,
  DESTINATION_HEADER,
  MODEL_HEADER,
  SECRET_ENV,
  SECRET_HEADER,
  SNAPSHOT_PATH,
} from "../../protocol/constants.ts";
import { encodeSnapshot } from "../../protocol/encode.ts";
import type { EndpointView, ModelView, SnapshotView } from "../../protocol/snapshot.ts";
import { FILTER_METRICS } from "../../schemas/metrics/filter-metrics.ts";
import { release } from "./release.ts";

/** Key of the summary, which every tick reads. The key exists from the start. */
export const SUMMARY = "pilotfish.summary.2";

export const SECRET = "0123456789abcdef-secret";

export interface GatewayOptions {
  workers?: number;
  configuration?: object | string;
  /** null: the environment has no secret. */
  secret?: string | null;
  /** Further variables of the environment. */
  environment?: Record<string, string>;
  now?: bigint;
  /** Seed of the host's random numbers. Two Envoys need different seeds. */
  seed?: number;
  /** Envoy's allow_on_headers_stop_iteration; default true. */
  bodies?: boolean;
  /** Another build of the filter. */
  module?: WebAssembly.Module;
  /** The shared data, where VMs beside this Gateway's use it too. */
  shared?: SharedData;
}

export class Gateway {
  readonly process: Process;
  readonly workers: Root[] = [];
  readonly #options: GatewayOptions;
  #version = 1_700_000_000_000_000n;

  constructor(options: GatewayOptions = {}) {
    this.#options = options;
    const { now, seed, shared } = options;
    this.process = new Process({
      ...(now !== undefined && { now }),
      ...(seed !== undefined && { seed }),
      ...(shared !== undefined && { shared }),
    });
    for (let i = 0; i < (options.workers ?? 1); i++) this.startWorker();
  }

  startWorker(): Root {
    const { configuration, secret = SECRET, environment = {}, module = release } = this.#options;
    const vm = this.process.startVm(module, {
      vmId: "pilotfish",
      environment: secret === null ? environment : { [SECRET_ENV]: secret, ...environment },
    });
    const text = typeof configuration === "object" ? JSON.stringify(configuration) : configuration;
    const root = new Root(vm, {
      allowOnHeadersStopIteration: this.#options.bodies ?? true,
      configuration: text ?? "",
    });
    this.workers.push(root);
    return root;
  }

  worker(index = 0): Root {
    const root = this.workers[index];
    assert.ok(root, `worker ${index} exists`);
    return root;
  }

  /** Runs two ticks of each worker, after which every worker has the newest snapshot and all counts. */
  settle(): void {
    this.process.advance(40);
  }

  stream(worker = 0): Stream {
    return new Stream(this.worker(worker), { bufferLimit: 8 * 1024 * 1024 });
  }

  send(input: RequestInput, worker = 0): Stream {
    const stream = this.stream(worker);
    stream.send(input);
    return stream;
  }

  /** A chat request that the filter let through and that waits for its response. */
  chat(model: string, worker = 0): Stream {
    const stream = this.send(chat(model), worker);
    assert.equal(stream.outcome.action, "continue");
    return stream;
  }

  push(body: Uint8Array, headers: Record<string, string> = { [SECRET_HEADER]: SECRET }, worker = 0): Answer {
    return this.control({ method: "POST", path: SNAPSHOT_PATH, headers, body }, worker);
  }

  /** Pushes a snapshot with a new version. */
  feed(view: Partial<SnapshotView>, worker = 0): void {
    this.#version += 1000n;
    const bytes = encodeSnapshot({ version: this.#version, source: 7n, endpoints: [], models: [], ...view });
    const answer = this.push(bytes, undefined, worker);
    assert.equal(answer.status, 200, JSON.stringify(answer.json));
    this.settle();
  }

  /** The read-back of the snapshot, without the filter's metrics. */
  read(worker = 0): Answer {
    const { status, json } = this.readAll(worker);
    const { metrics, ...snapshot } = json;
    return { status, json: snapshot };
  }

  readAll(worker = 0): Answer {
    return this.control({ method: "GET", path: SNAPSHOT_PATH, headers: { [SECRET_HEADER]: SECRET } }, worker);
  }

  control(input: RequestInput, worker = 0): Answer {
    const stream = this.send(input, worker);
    const answer = answerOf(stream);
    stream.finish();
    return answer;
  }

  /** In-flight requests per endpoint, as a worker counts them. */
  inFlight(worker = 0): Record<string, number> {
    const { endpoints } = this.read(worker).json as { endpoints: { address: string; inFlight: number }[] };
    return Object.fromEntries(endpoints.map((endpoint) => [endpoint.address, endpoint.inFlight]));
  }

  assertHealthy(): void {
    for (const root of this.workers) root.vm.assertHealthy();
  }

  /** The filter's counters that are not 0, by their names without `pilotfish.`. */
  counters(): Record<string, number> {
    const values = this.process.metrics.values();
    const named = COUNTERS.map((name) => [name.replace("pilotfish.", ""), values[name]] as const);
    return Object.fromEntries(named.filter(([, value]) => value !== 0)) as Record<string, number>;
  }

  /** Asserts that the given counters have their values and that all others are 0. */
  expectCounters(expected: Record<string, number>): void {
    assert.deepEqual(this.counters(), expected);
  }

  gauge(name: string): number | undefined {
    return this.process.metrics.value(`pilotfish.${name}`);
  }
}

const named = (type: string) =>
  Object.values(FILTER_METRICS)
    .filter((metric) => metric.type === type && !metric.perPlace)
    .map(({ name }) => name);
/** Names of the filter's metrics, without the metrics of places. */
export const COUNTERS = named("counter");
export const GAUGES = named("gauge");

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests assert its shape
  json: any;
}

/** The filter's local reply. Fails if the filter sent none. */
export function answerOf(stream: Stream): Answer {
  const local = stream.localResponse;
  assert.ok(local, `expected a local reply of the filter; it did: ${stream.outcome.action}`);
  assert.equal(local.headers.get("content-type"), "application/json");
  return { status: local.status, json: JSON.parse(local.body.toString("utf8")) };
}

export function chat(model: string): RequestInput {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "hello" }] });
  return { method: "POST", path: "/v1/chat/completions", headers: JSON_TYPE, body };
}

export const JSON_TYPE = { "content-type": "application/json" };

export function endpoint(address: string, fields: Partial<EndpointView> = {}): EndpointView {
  const idle = { waiting: 0, running: 0, kvUsage: 0, scrapeAgeMs: 10, kvBlocks: null, blockTokens: null, maxLora: 0 };
  return { address, ready: true, draining: false, asleep: false, ...idle, ...fields };
}

export function base(name: string, addresses: string[]): ModelView {
  return { name, kind: "base", base: name, endpoints: addresses.map((address) => ({ address, state: "listed" })) };
}

export function adapter(name: string, of: string | null, addresses: string[]): ModelView {
  return { ...base(name, addresses), kind: "adapter", base: of };
}

export const A = "10.0.0.1:8000";
export const B = "10.0.0.2:8000";
export const C = "10.0.0.3:8000";
export const D = "10.0.0.4:8000";

/** Three idle endpoints with the model `m`. The adapter `lora` of `m` is on the first one. */
export function threePods(): Pick<SnapshotView, "endpoints" | "models"> {
  return { endpoints: [A, B, C].map((at) => endpoint(at)), models: [base("m", [A, B, C]), adapter("lora", "m", [A])] };
}

interface Routed {
  model: string | undefined;
  base: string | undefined;
  destination: string | undefined;
}

/** The control headers of a request that the filter let through. */
export function routed(outcome: Outcome): Routed {
  const headers = outcome.requestHeaders;
  assert.ok(headers, `expected the filter to let the request through; it did: ${outcome.action}`);
  return {
    model: headers.get(MODEL_HEADER),
    base: headers.get(BASE_MODEL_HEADER),
    destination: headers.get(DESTINATION_HEADER),
  };
}

/** Ends a request with a response from `upstream`. */
export function complete(stream: Stream, upstream: string): void {
  stream.respond({ status: 200, body: "{}", upstreamAddress: upstream });
  stream.finish();
}
