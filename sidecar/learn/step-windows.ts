// Turns the scrapes of one server into observations of what its steps cost. A window lasts from the end of one step to the end of
// another, and the server was busy all the time: then its duration is the sum of its steps' durations. What is known of the end of
// a step is the scrape that first shows it.
//
// A server without load for some time shows few such windows, and a request that finds it idle is computed before any scrape shows
// it as running. So a period between two moments of idleness is an observation of its own: the duration of the prefills of the
// requests that ended in it, and of the gaps between their tokens, as the server has measured them.
import type { Counters } from "../engines/reading.ts";
import { computedOf, risesOf } from "./counter-deltas.ts";

/** A window has at least this duration and this many steps. */
const MIN_MS = 500;
const MIN_STEPS = 6;
/** A window has at least this many times the time between two scrapes, of which its ends are uncertain. */
const MIN_GAPS = 5;
/** A window that is longer than this is dropped: its server hardly makes steps. */
const MAX_MS = 120_000;
/** Up to this time between two scrapes, a server that is busy at both was busy between them. */
const SHORT_GAP_MS = 300;
/** Steps that last up to this many times as long as the shortest contain no part of a prompt. */
const USUAL_STEP = 1.3;
/** With longer gaps, the tokens' own times must fill this share of a window. */
const MIN_COVER = 0.85;

/** `seconds` = a · steps + b · prefillTokens + c · sequences, with a standard deviation of about `deviation` seconds. */
export interface StepObservation {
  seconds: number;
  steps: number;
  prefillTokens: number;
  /** Prompts that these tokens belong to. */
  prompts: number;
  /** Sum over the steps of their decoding sequences. */
  sequences: number;
  deviation: number;
  /** Standard deviation of prefillTokens: tokens that were computed in the window and counted in another, or the reverse. */
  tokensDeviation: number;
}

interface ServerSample {
  /** Ms. */
  at: number;
  /** Running and waiting requests; null: the server does not say. */
  requests: number | null;
  counters: Counters;
}

/** Standard deviation of the tokens at a window's ends, as a share of a prompt's. */
const EDGE_TOKENS = 0.3;
/** How much the duration of a step deviates from the model, as a share. */
const STEP_NOISE = 0.1;

export class StepWindows {
  #last: ServerSample | undefined;
  /** The beginning of the current busy window. */
  #start: ServerSample | undefined;
  /** The last scrape of the window that showed the end of a step. */
  #stepEnd: ServerSample | undefined;
  /** The last moment of idleness. */
  #idle: ServerSample | undefined;
  #busySince: number | undefined;
  #longestGap = 0;
  /** Whether a window had short gaps only. */
  #exact = false;
  /** The shortest mean duration of steps between two scrapes of the window, ms. */
  #shortestStep = Number.POSITIVE_INFINITY;

  /** Time of the first scrape with requests and with a count of steps, ms; undefined: no scrape had both. */
  get busySince(): number | undefined {
    return this.#busySince;
  }

  /** Takes a scrape. Returns the observations that end with it. */
  add(sample: ServerSample): StepObservation[] {
    const last = this.#last;
    this.#last = sample;
    if ((sample.requests ?? 0) > 0 && sample.counters.steps !== undefined) this.#busySince ??= sample.at;
    if (last === undefined) return [];
    const rises = risesOf(last.counters, sample.counters);
    if (rises === undefined || sample.at <= last.at) {
      this.#start = undefined;
      this.#idle = undefined;
      return [];
    }
    return [...this.#busy(last, sample, rises), ...this.#betweenIdle(sample)].filter(isPossible);
  }

  #busy(last: ServerSample, sample: ServerSample, rises: Counters): StepObservation[] {
    if (rises.steps === undefined) return [];
    const stepped = rises.steps > 0;
    const busy = sample.requests !== null && sample.requests > 0;
    if (this.#start === undefined || !busy) {
      const ended = busy ? undefined : this.#end();
      this.#start = busy && stepped && rises.promptRequests !== 0 ? sample : undefined;
      this.#stepEnd = this.#start;
      this.#longestGap = 0;
      this.#shortestStep = Number.POSITIVE_INFINITY;
      return ended === undefined ? [] : [ended];
    }
    this.#longestGap = Math.max(this.#longestGap, sample.at - last.at);
    if (!stepped) return [];
    const step = (sample.at - (this.#stepEnd ?? this.#start).at) / rises.steps;
    this.#shortestStep = Math.min(this.#shortestStep, step);
    this.#stepEnd = sample;
    if (rises.promptRequests === 0 && step > USUAL_STEP * this.#shortestStep) return [];
    const ms = sample.at - this.#start.at;
    const steps = (sample.counters.steps ?? 0) - (this.#start.counters.steps ?? 0);
    if (ms < Math.max(MIN_MS, MIN_GAPS * this.#longestGap) || steps < MIN_STEPS) return [];
    const ended = this.#end();
    this.#start = sample;
    this.#longestGap = 0;
    this.#shortestStep = Number.POSITIVE_INFINITY;
    return ended === undefined ? [] : [ended];
  }

  /** Makes an observation of the window up to its last end of a step; undefined: it is too short, or may contain idle time. */
  #end(): StepObservation | undefined {
    const start = this.#start;
    const end = this.#stepEnd;
    if (start === undefined || end === undefined || end.at <= start.at) return undefined;
    const rises = risesOf(start.counters, end.counters) ?? {};
    const seconds = (end.at - start.at) / 1000;
    const prefillTokens = computedOf(rises);
    const { steps = 0, generatedTokens, promptRequests = 0, interTokens, interTokenSeconds } = rises;
    if (steps < MIN_STEPS || seconds > MAX_MS / 1000) return undefined;
    if (prefillTokens === undefined || generatedTokens === undefined) return undefined;
    if (this.#longestGap <= SHORT_GAP_MS) this.#exact = true;
    else {
      // Part of the idle time between two scrapes stays in such a window. Exact windows are better, and come again.
      if (this.#exact) return undefined;
      const step = interTokens !== undefined && interTokens > 0 ? (interTokenSeconds ?? 0) / interTokens : 0;
      if (step * steps < MIN_COVER * seconds) return undefined;
    }
    // The first token of a request comes from the step that ends its prefill.
    const sequences = Math.max(0, generatedTokens - promptRequests);
    const mean = seconds / steps;
    const deviation = Math.hypot(mean / 2, (STEP_NOISE * seconds) / Math.sqrt(steps));
    const tokensDeviation = EDGE_TOKENS * (prefillTokens / Math.max(1, promptRequests));
    return { seconds, steps, prefillTokens, prompts: promptRequests, sequences, deviation, tokensDeviation };
  }

  /** Observations of the requests that came and ended between two moments of idleness. */
  #betweenIdle(sample: ServerSample): StepObservation[] {
    const { prefillSeconds, prefillTokens, prefillRequests } = sample.counters;
    if (prefillSeconds === undefined || prefillTokens === undefined) return [];
    // Without prefillRequests both count the engine's own time, which is true at any moment.
    if (sample.requests !== 0 && prefillRequests !== undefined) return [];
    const start = this.#idle ?? sample;
    const rises = risesOf(start.counters, sample.counters);
    if (rises === undefined || (rises.prefillTokens ?? 0) <= 0) {
      this.#idle = sample;
      return [];
    }
    if (prefillRequests === undefined && sample.at - start.at < 2000) return [];
    this.#idle = sample;
    const seconds = rises.prefillSeconds ?? 0;
    const tokens = rises.prefillTokens ?? 0;
    if (prefillRequests === undefined)
      return [
        {
          seconds,
          steps: 0,
          prefillTokens: tokens,
          prompts: 0,
          sequences: 0,
          deviation: 0.1 * seconds + 1e-4,
          tokensDeviation: 0,
        },
      ];
    const requests = rises.prefillRequests ?? 0;
    const { interTokens = 0, interTokenSeconds = 0 } = rises;
    // The mean number of decoding sequences while the server was not idle is at least this.
    const decoding = (1000 * interTokenSeconds) / (sample.at - start.at);
    if (requests <= 0 || decoding > MAX_DECODING) return [];
    const found: StepObservation[] = [
      {
        seconds,
        steps: requests,
        prefillTokens: tokens,
        prompts: requests,
        sequences: requests * decoding,
        deviation: 0.2 * seconds,
        tokensDeviation: 0,
      },
    ];
    if (interTokens >= MIN_STEPS) {
      found.push({
        seconds: interTokenSeconds,
        steps: interTokens,
        // A prefill holds up the requests that decode meanwhile, and never its own.
        prompts: 0,
        prefillTokens: (tokens * decoding * (requests - 1)) / requests,
        sequences: interTokens * Math.max(1, decoding),
        deviation: 0.1 * interTokenSeconds,
        tokensDeviation: 0,
      });
    }
    return found;
  }
}

/** No engine is faster: seconds of a step, and tokens a second that are prefilled, and that are decoded. */
const FASTEST_STEP = 0.0002;
const FASTEST_PREFILL = 1_000_000;
const FASTEST_DECODE = 1_000_000;

/** Whether an engine can be so fast. What a broken or hostile server counts must not change what is learned of the others. */
function isPossible({ seconds, steps, prefillTokens, prompts, sequences }: StepObservation): boolean {
  return (
    seconds >= steps * FASTEST_STEP &&
    seconds * FASTEST_PREFILL >= prefillTokens &&
    seconds * FASTEST_DECODE >= sequences &&
    prompts <= prefillTokens + steps
  );
}

/** With more decoding sequences than this, prefills overlap so often that their times say little of a single one. */
const MAX_DECODING = 1.5;
