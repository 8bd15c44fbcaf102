// Who picks. A contender sees requests when they arrive, their first bytes and their ends, and of the pods what a scrape shows.
import type { Engine } from "../../simulator/engine/engine.ts";
import type { SimRequest } from "./request.ts";

export interface World {
  pods: readonly Engine[];
  addresses: readonly string[];
  /** That the load asks for; every pod can load each of them. */
  adapters: readonly string[];
  now(): number;
  /** Calls `fn` every `ms` of simulated time, for as long as requests are under way. */
  every(ms: number, fn: () => void): void;
  /** Calls `fn` once, in `ms`. */
  after(ms: number, fn: () => void): void;
  seed: number;
}

/** A request that was sent to a pod. */
export interface Route {
  pod: number;
  firstByte?(): void;
  end?(): void;
}

export interface Contender {
  name: string;
  title: string;
  start(world: World): Router;
}

export interface Router {
  route(request: SimRequest): Route;
  /** After the last request has ended; throws when it is left in a wrong state. */
  close?(): void;
}
