// Chooses between a pod's whole page and its restricted page, which has only the samples that are used. Whether a server can
// restrict its page is found out by trying, and no sample is lost by it:
//
//   a try       = a whole page, whose reading counts, and then a restricted page. The restricted page is good if it has every sample
//                 of the engine's table that the whole page had, and is clearly shorter.
//   restricted ── the page lacks a sample, is long, or fails ──▶ the whole page is read in the same scrape, then a try
//   restricted ── every CHECK_MS, growing ──▶ a try, since the whole page may have a sample that the restricted page never shows
//   whole, ignored, empty, partial, failed ── after a wait, which grows with each setback ──▶ a try
//   any        ── the server restarted ──▶ a try: another version or mode may run there
//
// A whole page is read in every state except `restricted`. Tries are at least TRY_GAP_MS apart, whatever the pod does.
import type { PageState } from "../../pod.ts";
import type { ParsedPage } from "../metrics-parser.ts";

/** A shorter whole page is not worth a try: its rendering is a small part of the request's cost. */
const SMALL_BYTES = 4096;
/** A restricted page that is longer than this share of the whole page is of no use. */
const LONG = 0.7;

const TRY_GAP_MS = 10_000;
/** The wait after a try without success. It doubles with each setback. */
const RETRY_MS = 600_000;
/** The longest wait. */
const MAX_WAIT_MS = 4 * 3_600_000;
/** The wait before a good restricted page is compared with the whole page again. It doubles up to MAX_CHECK_MS. */
const CHECK_MS = 60_000;
const MAX_CHECK_MS = 600_000;

export class PageChoice {
  #state: PageState = "whole";
  #path: string | undefined;
  /** The next try is not before this time. */
  #tryAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #checkMs = CHECK_MS;
  /** Tries without success, and restricted pages that were not good, since the server's start or the last good check. */
  #setbacks = 0;
  /** The last whole page, which says what a restricted page must have. */
  #whole: ParsedPage | undefined;
  /** Names whose samples became fewer while the server ran. A restricted page may lack them. */
  readonly #unsteady = new Set<number>();
  #startedAt: number | undefined;

  get state(): PageState {
    return this.#state;
  }

  /** Returns the restricted page's path, if the next scrape should ask for this page; undefined: for the whole page. */
  pathAt(now: number): string | undefined {
    return this.#state === "restricted" && now < this.#tryAt ? this.#path : undefined;
  }

  /** Whether a try should follow the whole page that was just read. */
  tryDue(now: number): boolean {
    const worth = this.#whole !== undefined && this.#whole.bytes > SMALL_BYTES && this.#whole.samples.length > 0;
    return worth && now >= this.#tryAt;
  }

  /**
   * Takes the restricted page that pathAt() asked for; undefined: no good response came. Returns whether its reading counts.
   * Otherwise the whole page must be read at once.
   */
  restricted(page: ParsedPage | undefined, now: number): boolean {
    const whole = this.#whole as ParsedPage;
    if (page !== undefined && this.#restarted(page, now) && now >= this.#tryAt) {
      this.#state = "whole";
      return false;
    }
    const found = page === undefined ? "failed" : verdict(page, whole, this.#unsteady);
    if (page !== undefined && found === "restricted") {
      this.#expectMore(whole, page);
      return true;
    }
    this.#state = found;
    this.#setbacks++;
    const wait = this.#setbacks === 1 ? 0 : TRY_GAP_MS * 2 ** (this.#setbacks - 1);
    this.#tryAt = Math.max(this.#triedAt + TRY_GAP_MS, now + Math.min(wait, MAX_WAIT_MS));
    return false;
  }

  /** Takes a whole page. */
  whole(page: ParsedPage, now: number): void {
    const restarted = this.#restarted(page, now);
    const before = this.#whole;
    this.#whole = page;
    if (before === undefined || restarted) return;
    if (before.reading.engine !== page.reading.engine) {
      // The names of another engine are not those of the path.
      this.#state = "whole";
      this.#unsteady.clear();
      this.#soon(now);
      return;
    }
    for (const [i, count] of page.samples.entries()) if (count < (before.samples[i] as number)) this.#unsteady.add(i);
  }

  /** Returns the paths that a try asks for, one after the other until one is good. `paths`: all that the server may honour. */
  pathsToTry(paths: readonly string[]): readonly string[] {
    return this.#state === "restricted" ? [this.#path as string] : paths;
  }

  /**
   * Takes a page of a try, which `path` led to; undefined: no good response came. Returns whether the try is over; otherwise the
   * next path is asked for.
   */
  tried(path: string, page: ParsedPage | undefined, now: number): boolean {
    const check = this.#state === "restricted";
    this.#triedAt = now;
    if (page === undefined) {
      // A scrape notices at once if a page that was good so far fails.
      if (check) this.#tryAt = now + CHECK_MS;
      else this.#state = "failed";
      return check;
    }
    this.#state = verdict(page, this.#whole as ParsedPage, new Set());
    if (this.#state !== "restricted") {
      this.#setBack(now);
      return true;
    }
    if (check) {
      this.#setbacks = 0;
      this.#checkMs = Math.min(this.#checkMs * 2, MAX_CHECK_MS);
    }
    this.#path = path;
    this.#tryAt = now + this.#checkMs;
    return true;
  }

  /** Ends a try in which no path led to a good response. */
  nothingFound(now: number): void {
    this.#triedAt = now;
    this.#setBack(now);
  }

  /** Takes a scrape without a good page. `mayRestart`: the server refused or closed the connection, as one that restarts does. */
  failed(now: number, mayRestart: boolean): void {
    if (mayRestart) this.#begin(now);
    else if (this.#state === "restricted") this.#soon(now);
    else return;
    this.#state = "whole";
  }

  /** Expects the samples of a good restricted page from later pages, where it has more than the whole page had. */
  #expectMore(whole: ParsedPage, page: ParsedPage): void {
    if (whole.samples.every((count, i) => count >= (page.samples[i] as number))) return;
    const samples = whole.samples.map((count, i) => Math.max(count, page.samples[i] as number));
    this.#whole = { ...whole, samples };
  }

  /** Whether the page's server started at another time than the server of the page before. */
  #restarted({ reading }: ParsedPage, now: number): boolean {
    const { startedAt } = reading.counters;
    const same = startedAt === this.#startedAt;
    this.#startedAt = startedAt;
    if (same || this.#whole === undefined) return false;
    this.#begin(now);
    return true;
  }

  /** Forgets what was found out about the server before. */
  #begin(now: number): void {
    this.#setbacks = 0;
    this.#checkMs = CHECK_MS;
    this.#unsteady.clear();
    this.#soon(now);
  }

  #setBack(now: number): void {
    this.#setbacks++;
    this.#checkMs = CHECK_MS;
    this.#tryAt = now + Math.min(RETRY_MS * 2 ** (this.#setbacks - 1), MAX_WAIT_MS);
  }

  #soon(now: number): void {
    this.#tryAt = Math.min(this.#tryAt, Math.max(now, this.#triedAt + TRY_GAP_MS));
  }
}

/** Compares a restricted page with a whole page. The names of `unsteady` may be missing. */
function verdict(page: ParsedPage, whole: ParsedPage, unsteady: ReadonlySet<number>): PageState {
  if (page.samples.every((count) => count === 0)) return "empty";
  if (page.reading.engine !== whole.reading.engine) return "partial";
  const lacks = whole.samples.some((count, i) => (page.samples[i] as number) < count && !unsteady.has(i));
  if (lacks) return "partial";
  return page.bytes > whole.bytes * LONG ? "ignored" : "restricted";
}
