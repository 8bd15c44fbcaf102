// The interface of a contender, which picks pods. A contender sees when requests arrive, begin their response and end. Of the pods it
// sees only what a scrape shows.
import type { Engine } from "../../simulator/engine/engine.ts";
import type { Page } from "../../simulator/page-cost.ts";
import type { SimRequest } from "./request.ts";

export interface World {
  pods: readonly Engine[];
  addresses: readonly string[];
  /** Mean tokens of a prompt, and mean tokens of a byte of the messages' text. */
  meanPromptTokens: number;
  tokensPerByte: number;
  /** The adapters of the load. Every pod can load each of them. */
  adapters: readonly string[];
  now(): number;
  /** Calls `fn` every `ms` of simulated time as long as requests are in flight. */
  every(ms: number, fn: () => void): void;
  /**
   * Charges a pod for a scrape: the process that renders the page delivers no token and accepts no request meanwhile. A contender calls
   * this for each scrape, and reads the pod. Returns the ms until the page is answered.
   */
  scrape(pod: number, page: Page): number;
  /** Whether every request has ended. Timers that are set after that keep the simulation from ending. */
  isOver(): boolean;
  /** Calls `fn` once after `ms`. */
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
  /** How many scrapes of pods began; absent: the contender does not scrape. */
  scrapes?(): number;
  /** Runs after the last request has ended. Throws if the contender is in a wrong state. */
  close?(): void;
}
