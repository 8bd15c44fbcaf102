// The state of one pod that its routes read and change.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { ApiProcess, ApiProcesses } from "../api-process.ts";
import type { Clock } from "../clock.ts";
import type { Engine } from "../engine/engine.ts";
import type { HttpMetrics } from "../metrics/http-metrics.ts";
import type { PodParams } from "../params.ts";
import type { ModelRegistry } from "./models.ts";
import type { StoredResponses } from "./stored.ts";

interface ModelCounts {
  received: number;
  finished: number;
  aborted: number;
}

/** Counts of inference requests. A request with several sequences counts once. */
export class PodCounts {
  received = 0;
  finished = 0;
  aborted = 0;
  /** Number of requests with an error response of any kind. */
  refused = 0;
  readonly models = new Map<string, ModelCounts>();

  model(id: string): ModelCounts {
    let counts = this.models.get(id);
    if (counts === undefined) {
      counts = { received: 0, finished: 0, aborted: 0 };
      this.models.set(id, counts);
    }
    return counts;
  }
}

/** Which API server process serves a connection. */
export class ServingProcesses {
  private readonly processes: ApiProcesses;
  private readonly of = new WeakMap<Socket, ApiProcess>();

  constructor(processes: ApiProcesses) {
    this.processes = processes;
  }

  /** A connection stays with one process. */
  serving({ socket }: IncomingMessage): ApiProcess {
    let process = this.of.get(socket);
    if (process === undefined) {
      process = this.processes.take();
      this.of.set(socket, process);
    }
    return process;
  }
}

/** The state that all routes of one pod share. */
export interface PodState {
  name: string;
  params: PodParams;
  engines: readonly Engine[];
  processes: ApiProcesses;
  api: ServingProcesses;
  models: ModelRegistry;
  clock: Clock;
  counts: PodCounts;
  http: HttpMetrics;
  responses: StoredResponses;
  /** Returns a new id that is unique in this process. */
  id(): string;
}

/** Responds to the requests of one route of a pod. */
export type Handler = (pod: PodState, request: IncomingMessage, response: ServerResponse) => Promise<void>;

/**
 * Returns the data-parallel rank with the lowest load. As in vLLM, a waiting request weighs as much as four running requests.
 */
export function leastLoaded(engines: readonly Engine[]): Engine {
  let best = engines[0] as Engine;
  for (const engine of engines) {
    if (engine.waitingNow * 4 + engine.runningNow < best.waitingNow * 4 + best.runningNow) best = engine;
  }
  return best;
}
