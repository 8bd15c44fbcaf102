// Measures the herd effect: 200 requests for 8 pods arrive within one scrape period. The figure is the largest number that one pod gets.

import { defaultParams } from "../../simulator/params.ts";
import { Draws } from "./draws.ts";
import type { Load } from "./loads.ts";
import { type Message, makeRequest, type SimRequest } from "./request.ts";
import { simulate } from "./simulate.ts";
import type { Contender } from "./world.ts";

export const HERD_PODS = 8;
export const HERD_REQUESTS = 200;
/** The documented bound: a fair share plus a fifth. */
export const HERD_LIMIT = (HERD_REQUESTS / HERD_PODS) * 1.2;
const WITHIN_MS = 40;
const BACKGROUND_MS = 400;

interface HerdKind {
  name: string;
  title: string;
  /** Requests with long answers before the burst, so that the pods have different loads. */
  before: number;
  /** Whether all requests share a system prompt. */
  shared: boolean;
}

export const HERD_KINDS: readonly HerdKind[] = [
  { name: "idle", title: "8 idle pods", before: 0, shared: false },
  { name: "uneven", title: "5 requests under way on 8 pods", before: 5, shared: false },
  { name: "shared", title: "8 idle pods, all with one system prompt of 2,000 tokens", before: 0, shared: true },
];

/** The largest number of requests of the burst that one pod gets. */
export function herd(kind: HerdKind, contender: Contender, seed: number): number {
  const draws = new Draws(seed ^ 0x4e5d);
  const prompt: Message[] = kind.shared ? [{ role: "system", content: draws.text(2000) }] : [];
  const request = (at: number, outputTokens: number): SimRequest => {
    const content = draws.text(draws.lognormal(1020, 0.8, 8, 14000));
    const messages: Message[] = [...prompt, { role: "user", content }];
    return makeRequest({ at, messages, outputTokens }, draws.texts.tokenizer);
  };
  const requests = Array.from({ length: kind.before }, (_, i) => request(i * 20, 300));
  const times = Array.from({ length: HERD_REQUESTS }, () => BACKGROUND_MS + draws.fraction() * WITHIN_MS);
  for (const at of times.sort((a, b) => a - b)) requests.push(request(at, draws.lognormal(129, 0.9, 1, 1000)));
  const load: Load = {
    name: `herd-${kind.name}`,
    title: kind.title,
    pods: HERD_PODS,
    requests,
    spans: [],
    params: () => ({ ...defaultParams(), noise: 0.05 }),
  };
  return Math.max(...simulate(load, contender, { seed, countFrom: kind.before, warmUp: 0 }).perPod);
}
