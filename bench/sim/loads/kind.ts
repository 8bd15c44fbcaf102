// What a load is made of.
import type { TokenizerName } from "../../../simulator/engine/tokenizer.ts";
import type { PodParams } from "../../../simulator/params.ts";
import type { Draws } from "../draws.ts";
import type { Draft, Message } from "../request.ts";

/** A part of a load during which requests arrive at one rate. */
export interface Phase {
  name: string;
  /** Multiple of the load's rate. */
  rate: number;
  seconds: number;
}

export interface Kind {
  title: string;
  /** Requests per second and pod. */
  rate: number;
  pods?: number;
  /** Without phases all requests arrive at the load's rate. */
  phases?: readonly Phase[];
  /** Whether the phases last as long as they say. Otherwise they are stretched, so that the number of requests is the one asked for. */
  fixedPhases?: boolean;
  /** The texts of the load need this vocabulary. */
  tokenizer?: TokenizerName;
  /** Makes the requests, one for each time in ms; `perSecond` is the rate for all pods. */
  make(draws: Draws, times: readonly number[], perSecond: number): Draft[];
  params?(pod: number): Partial<PodParams>;
}

export const system = (content: string): Message => ({ role: "system", content });
export const user = (content: string): Message => ({ role: "user", content });
export const assistant = (content: string): Message => ({ role: "assistant", content });
