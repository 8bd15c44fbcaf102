// What scraping costs one pod. A model server writes its page in the process that also delivers tokens, so the time to answer a
// scrape is time taken from its clients. A queue in the pod, the network and this process can only lengthen the time to answer:
// so the smallest recent time is the best estimate, and still an upper one.
//
//   pages of a kind    = sum of e^(-age / AVERAGED_MS)  /  (AVERAGED_MS * (1 - e^(-observed / AVERAGED_MS)))      pages each ms
//   share of pod time  = sum over both kinds of pages * the smallest recent time to answer such a page, ms

/** The time over which the share is averaged, ms. */
const AVERAGED_MS = 30_000;
/** A time to answer is recent for one to two of these windows, ms. */
const WINDOW_MS = 30_000;
/** A share over less than this time would be no average, ms. */
const MIN_OBSERVED_MS = 1000;

/** The smallest of the values of the last one to two windows. */
class RecentLeast {
  #since = Number.NEGATIVE_INFINITY;
  #current = Number.POSITIVE_INFINITY;
  #previous = Number.POSITIVE_INFINITY;

  add(at: number, value: number): void {
    const passed = at - this.#since;
    if (passed >= WINDOW_MS) {
      this.#previous = passed < 2 * WINDOW_MS ? this.#current : Number.POSITIVE_INFINITY;
      this.#current = Number.POSITIVE_INFINITY;
      this.#since = at;
    }
    this.#current = Math.min(this.#current, value);
  }

  get value(): number | null {
    const least = Math.min(this.#current, this.#previous);
    return least === Number.POSITIVE_INFINITY ? null : least;
  }
}

/** A whole page, or a page with only the names that were asked for. Both have costs of their own. */
export type PageKind = "whole" | "restricted";

export class ScrapeCost {
  readonly #least = { whole: new RecentLeast(), restricted: new RecentLeast() };
  readonly #pages = { whole: 0, restricted: 0 };
  #bytes = 0;
  /** The kind of the page that the next scrape asks for. */
  next: PageKind = "whole";
  #firstAt: number | undefined;
  /** The decaying number of pages of each kind, as of #countedAt. */
  readonly #recent = { whole: 0, restricted: 0 };
  #countedAt = 0;

  /** Takes a page that was asked for at `startMs` (Clock.now()) and was whole after `ms`. `bytes`: bytes of the response. */
  scraped(startMs: number, ms: number, bytes: number, kind: PageKind = "whole"): void {
    this.#least[kind].add(startMs, Math.max(0, ms));
    const kept = this.#keptAt(startMs);
    this.#recent.whole *= kept;
    this.#recent.restricted *= kept;
    this.#recent[kind]++;
    this.#countedAt = Math.max(this.#countedAt, startMs);
    this.#firstAt ??= startMs;
    this.#pages[kind]++;
    this.#bytes += bytes;
  }

  /** The smallest recent time to answer a page like the next one, ms; null: no page was read. */
  get leastMs(): number | null {
    const { whole, restricted } = this.#least;
    return (this.next === "whole" ? whole : restricted).value ?? whole.value ?? restricted.value;
  }

  /** How many pages of each kind were read. */
  get pages(): Readonly<Record<PageKind, number>> {
    return this.#pages;
  }

  /** Bytes of all pages that were read. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the estimated share of the pod's time, 0 to 1, that scrapes took lately. `now`: Clock.now(), ms. */
  shareAt(now: number): number {
    if (this.#firstAt === undefined) return 0;
    const observed = Math.max(now - this.#firstAt, MIN_OBSERVED_MS);
    const averaged = AVERAGED_MS * (1 - Math.exp(-observed / AVERAGED_MS));
    const cost = (kind: PageKind) => this.#recent[kind] * (this.#least[kind].value ?? 0);
    return Math.min(1, ((cost("whole") + cost("restricted")) * this.#keptAt(now)) / averaged);
  }

  /** Returns what is left of the counts at `at`. */
  #keptAt(at: number): number {
    return Math.exp(-Math.max(0, at - this.#countedAt) / AVERAGED_MS);
  }
}
