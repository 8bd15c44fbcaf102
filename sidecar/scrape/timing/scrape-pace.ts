// Decides how long a pod waits for its next scrape. A scrape takes time of the model server, so a pod is scraped as often as it helps.
//
//   excess = requests that the scrape shows - the most that all Envoys had on the pod around the scrape, at least 0
//
//   fast     an excess above NOISE has changed, the pod's adapters changed lately, picks use queues, the learner wants scrapes,
//            or the Envoys' counts are not known                                                  scrape.interval
//   slower   each scrape without such a reason doubles the wait, up to calm
//   calm     the Envoys explain what the scrapes show                                             CALM_MS
//   idle     neither the pod nor an Envoy has a request there                                     scrape.maxInterval
//
// Where a scrape is dear, fast and calm are slower: calm scrapes take at most `share` of the pod's time, fast scrapes at most FAST_SHARES
// times as much. No wait is longer than scrape.maxInterval, so a pod that is far away is scraped as well. Where picks use queues, no wait
// is longer than MAX_QUEUE_MS.
//
// The Envoys' counts come in traffic reports, some ms after a scrape. So an excess is judged when each Envoy has reported after the
// scrape. An excess that is not judged within the wait of fast counts as changed.

export interface PaceOptions {
  /** The shortest and the longest time from one scrape to the next, ms. If the longest is not above the shortest, the pace is fixed. */
  intervalMs: number;
  maxIntervalMs: number;
  /** Share of a calm pod's time that scrapes may take, above 0. */
  share: number;
}

/** What the sidecar knows beside the scrapes. */
export interface PaceInput {
  /** In-flight requests of all Envoys on the pod, by their last reports; undefined: no Envoy reports. */
  inFlight: number | undefined;
  /** Returns the time, ms, since which all Envoys have reported. */
  reportedSince(): number;
  /** The smallest recent time to answer of the pod, ms. */
  costMs: number;
  /** Whether picks or admission use the queues of scrapes. */
  usesQueues: boolean;
  /** Whether the learner wants fast scrapes of this pod. */
  learns: boolean;
}

/** A good scrape. Times are in ms. */
interface PacedScrape {
  startedAt: number;
  endedAt: number;
  /** Running and waiting requests; null: the server does not say. */
  requests: number | null;
  /** Whether the pod's adapters with requests are others than at the scrape before. */
  changed: boolean;
  /** The wait is multiplied by this, so that the scrapes of several pods drift apart. */
  jitter: number;
}

/** Adapters that changed at a scrape change again: the pod is scraped fast for this long. */
const ADAPTERS_MS = 2000;
/** The time between two scrapes of a calm pod. */
const CALM_MS = 1000;
/** Where picks use queues, no wait is longer, so that filters do not find a scrape too old (snapshot.staleAfter, 2 s by default). */
const MAX_QUEUE_MS = 500;
/** Fast scrapes may take this many times the share of calm scrapes. */
const FAST_SHARES = 10;
/** The Envoys' counts may be wrong by this many requests. Picks ignore as many (UNSEEN_NOISE in assembly/endpoints/unseen.ts). */
const NOISE = 1;

export class Pace {
  readonly #options: PaceOptions;
  #last: PacedScrape | undefined;
  /** The most requests that the Envoys had on the pod since the last scrape began. */
  #most = 0;
  /** When a scrape last showed other adapters than the scrape before, ms. */
  #adaptersAt = Number.NEGATIVE_INFINITY;
  /** Whether the last scrape was judged. */
  #judged = false;
  /** The excess of the last scrape that was judged. */
  #excess = 0;
  /** Time from the start of the last scrape to the next scrape, without jitter; and that of the last scrape that was judged. */
  #wait: number;
  #judgedWait: number;
  #planned: number;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#wait = options.intervalMs;
    this.#judgedWait = options.intervalMs;
    this.#planned = options.intervalMs;
  }

  /** The time from the last scrape to the next one, ms, at most: while an excess is not judged, the wait may become shorter than this. */
  get plannedMs(): number {
    return this.#planned;
  }

  /** Makes the next waits as short as at first: the pod is another than before. */
  restart(): void {
    this.#judgedWait = this.#options.intervalMs;
  }

  /** Call when a scrape begins. `inFlight`: as in PaceInput. */
  begins(inFlight: number | undefined): void {
    this.#most = inFlight ?? 0;
  }

  scraped(scrape: PacedScrape): void {
    this.#last = scrape;
    if (scrape.changed) this.#adaptersAt = scrape.startedAt;
    this.#judged = false;
  }

  /** Returns how long the pod waits from `now`, ms, until its next scrape; 0: now. Ask again after this time, since a wait may grow. */
  waitMs(now: number, input: PaceInput): number {
    const last = this.#last;
    if (last === undefined) return 0;
    this.#most = Math.max(this.#most, input.inFlight ?? 0);
    if (!this.#judged) this.#judge(last, input);
    return Math.max(0, last.startedAt + this.#wait * last.jitter - now);
  }

  #judge({ requests, startedAt, endedAt }: PacedScrape, input: PaceInput): void {
    const { intervalMs, share } = this.#options;
    const cost = Math.max(0, input.costMs);
    const fast = this.#limited(cost / (share * FAST_SHARES));
    const calm = this.#limited(Math.max(CALM_MS, cost / share));
    const fresh = this.#limited(MAX_QUEUE_MS);
    const slower = Math.min(Math.max(this.#judgedWait, fast) * 2, calm);
    const idle = this.#most === 0 && (requests ?? 0) === 0;
    const excess = Math.max(0, (requests ?? 0) - this.#most);
    this.#judged = true;
    if (idle) {
      this.#excess = 0;
      this.#wait = input.usesQueues ? fresh : this.#limited(Math.max(this.#judgedWait, intervalMs) * 2);
    } else if (input.usesQueues) {
      this.#wait = Math.min(fast, fresh);
    } else if (startedAt - this.#adaptersAt < ADAPTERS_MS || input.learns || input.inFlight === undefined) {
      this.#wait = fast;
    } else if (excess > NOISE && input.reportedSince() < endedAt) {
      this.#judged = false;
      this.#wait = fast;
    } else {
      const moved = excess !== this.#excess && Math.max(excess, this.#excess) > NOISE;
      this.#excess = excess;
      this.#wait = moved ? fast : slower;
    }
    this.#planned = this.#judged ? this.#wait : slower;
    if (this.#judged) this.#judgedWait = this.#wait;
  }

  #limited(ms: number): number {
    const { intervalMs, maxIntervalMs } = this.#options;
    return Math.max(intervalMs, Math.min(ms, maxIntervalMs));
  }
}
