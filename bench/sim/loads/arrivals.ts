// When the requests of a load arrive: a Poisson process, at one rate or in phases.
import type { Draws } from "../draws.ts";
import type { Kind } from "./kind.ts";

/** Requests that arrive from `from` up to, not including, `to`, in ms. */
export interface Span {
  name: string;
  from: number;
  to: number;
}

interface Arrivals {
  /** Ms. */
  times: number[];
  /** The phases of the load; none for a load without phases. */
  spans: Span[];
}

/** `perSecond` requests a second, about or exactly `requests` in all. A load with fixed phases has as many as its phases last. */
export function arrivalsOf({ phases, fixedPhases }: Kind, draws: Draws, perSecond: number, requests: number): Arrivals {
  const times: number[] = [];
  let at = 0;
  if (phases === undefined) {
    for (let i = 0; i < requests; i++) {
      at += draws.gap(perSecond);
      times.push(at);
    }
    return { times, spans: [] };
  }
  const all = phases.reduce((sum, { rate, seconds }) => sum + rate * seconds * perSecond, 0);
  const stretch = fixedPhases ? 1 : requests / all;
  const spans: Span[] = [];
  let from = 0;
  for (const { name, rate, seconds } of phases) {
    const to = from + seconds * stretch * 1000;
    spans.push({ name, from, to });
    for (at = from + draws.gap(rate * perSecond); at < to; at += draws.gap(rate * perSecond)) times.push(at);
    from = to;
  }
  return { times, spans };
}
