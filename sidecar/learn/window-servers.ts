// What the servers of a model counted in one window, and which of them are believed: a server may be broken, or may lie to draw or to
// repel requests. Its counters must not change what is learned of the model.
//
//   impossible   all prompts of our Envoys together could not have as many tokens, it had far more requests than all Envoys sent, or the counters fell or rose beyond any bound.
//                Such a server is left out. Our requests to it count as requests that the servers did not have
//   unlike       its mean prompt differs by more than UNLIKE from that of the median server. Sizes of prompts do differ, so nobody
//                knows which is right, and nothing is learned from the window
import { MAX_TOKENS_PER_BYTE, MAX_TOKENS_PER_REQUEST } from "./tokenizer-fit.ts";

/** What one server counted. */
interface ServerSums {
  tokens: number;
  requests: number;
  /** Prompt tokens from a cache. */
  cached: number;
}

/** The sums of the servers that are believed. */
interface BelievedSums {
  tokens: number;
  requests: number;
  /** Bounds of the prompt tokens from a cache, if servers whose share is unlike the others' are not believed. */
  cachedLow: number;
  cachedHigh: number;
}

const NOTHING: ServerSums = { tokens: 0, requests: 0, cached: 0 };

const UNLIKE = 8;
/** Requests of a server from which on its mean prompt is compared. */
const MIN_REQUESTS = 4;
/** Requests until older requests count half in a server's mean prompt. */
const HALF_LIFE = 200;
/** A share of cached tokens that is higher or lower than the median server's by more than this is not believed. */
const UNLIKE_SHARE = 1.5;
/** Requests of others may have this many times as many tokens as ours. */
const FOREIGN_TOKENS = 4;
/** A server may have this many times as many requests as all our Envoys sent. */
const FOREIGN_REQUESTS = 8;

export class WindowServers {
  #window = new Map<string, ServerSums>();
  #leftOut = new Set<string>();
  /** Faded sums of each server. */
  readonly #past = new Map<string, ServerSums>();

  add(address: string, { tokens, requests, cached }: ServerSums): void {
    const sums = this.#window.get(address) ?? NOTHING;
    this.#window.set(address, {
      tokens: sums.tokens + tokens,
      requests: sums.requests + requests,
      // No cache has more tokens than the prompts.
      cached: sums.cached + Math.min(cached, tokens),
    });
  }

  /** Leaves a server out of this window, because its counters began anew or cannot be. */
  leaveOut(address: string): void {
    this.#leftOut.add(address);
  }

  /** Requests of all servers. */
  get requests(): number {
    return sumBy([...this.#window.values()], ({ requests }) => requests);
  }

  begin(): void {
    this.#window = new Map();
    this.#leftOut = new Set();
  }

  forget(address: string): void {
    this.#window.delete(address);
    this.#past.delete(address);
  }

  /**
   * Ends the window, in which our Envoys counted `requests` requests with prompts of `bytes` bytes. undefined: nothing can be learned
   * from the window.
   */
  end(requests: number, bytes: readonly number[]): BelievedSums | undefined {
    const most = (MAX_TOKENS_PER_BYTE * sumBy(bytes, (count) => count)) / requests + MAX_TOKENS_PER_REQUEST;
    const believed = [...this.#window].filter(
      ([address, server]) =>
        !this.#leftOut.has(address) &&
        server.requests <= FOREIGN_REQUESTS * requests &&
        server.tokens <= Math.max(requests, FOREIGN_TOKENS * server.requests) * most,
    );
    const believedRequests = sumBy(believed, ([, server]) => server.requests);
    if (2 * believedRequests < requests) return undefined;
    for (const [address, server] of believed) this.#remember(address, server);
    const servers = believed.map(([address, server]) => ({ ...server, past: this.#past.get(address) ?? NOTHING }));
    const known = servers.filter(({ past }) => past.requests >= MIN_REQUESTS);
    const means = known.map(({ past }) => past.tokens / past.requests);
    const usual = lowerMedian(means);
    if (means.length > 2 && means.some((mean) => mean > UNLIKE * usual || UNLIKE * mean < usual)) return undefined;
    const shares = known.flatMap(({ past }) => (past.tokens > 0 ? [past.cached / past.tokens] : []));
    const low = UNLIKE_SHARE * lowerMedian(shares);
    const high = -lowerMedian(shares.map((share) => -share)) / UNLIKE_SHARE;
    return {
      tokens: sumBy(servers, ({ tokens }) => tokens),
      requests: believedRequests,
      cachedLow: sumBy(servers, ({ cached, tokens, past }) =>
        past.cached <= low * past.tokens ? cached : Math.min(cached, low * tokens),
      ),
      cachedHigh: sumBy(servers, ({ cached, tokens, past }) =>
        past.cached >= high * past.tokens ? cached : Math.max(cached, high * tokens),
      ),
    };
  }

  #remember(address: string, { tokens, requests, cached }: ServerSums): void {
    const past = this.#past.get(address) ?? NOTHING;
    const fade = 0.5 ** (requests / HALF_LIFE);
    this.#past.set(address, {
      tokens: past.tokens * fade + tokens,
      requests: past.requests * fade + requests,
      cached: past.cached * fade + cached,
    });
  }
}

function sumBy<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((sum, value) => sum + of(value), 0);
}

/** Returns the median, and of an even number of values the lower one of the two in the middle; 0: there is none. */
function lowerMedian(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1] ?? 0;
}
