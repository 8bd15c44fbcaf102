// Reads the metrics of one pod: the restricted page where it is good, else the whole page (page-choice.ts).
import { wantedNames } from "../../engines/engine-rows.ts";
import type { Reading } from "../../engines/reading.ts";
import { toFailure } from "../../http.ts";
import type { PageState } from "../../pod.ts";
import type { ParsedPage } from "../metrics-parser.ts";
import type { PodClient } from "../pod-client.ts";
import type { ScraperParts } from "../scraper-parts.ts";
import { PageChoice } from "./page-choice.ts";
import { restrictedPaths } from "./restricted-paths.ts";
import { type PageKind, ScrapeCost } from "./scrape-cost.ts";

/** A try waits for the restricted page for this multiple of the whole page's time, and TRY_MS: a slower page is of no use. */
const TRY_FACTOR = 4;
const TRY_MS = 1000;

interface ReadPage {
  reading: Reading;
  /** Clock.now() when the page was asked for. */
  startedAt: number;
  /** Milliseconds until the page had arrived. */
  ms: number;
}

export class PageReader {
  readonly cost = new ScrapeCost();
  readonly #client: PodClient;
  readonly #path: string;
  readonly #parts: ScraperParts;
  readonly #choice = new PageChoice();
  /** The whole page that the last read() returned; undefined: it returned a restricted page, or failed. */
  #whole: ReadPage | undefined;

  /** `path`: path and query of the whole page. */
  constructor(client: PodClient, path: string, parts: ScraperParts) {
    this.#client = client;
    this.#path = path;
    this.#parts = parts;
  }

  get state(): PageState {
    return this.#choice.state;
  }

  /** Reads the pod's metrics. If the restricted page is not good, reads the whole page too. Rejects with an HttpFailure. */
  async read(): Promise<ReadPage> {
    const { clock, options } = this.#parts;
    const choice = this.#choice;
    this.#whole = undefined;
    try {
      const path = choice.pathAt(clock.now());
      if (path !== undefined) {
        const page = await this.#restricted(path);
        if (choice.restricted(page?.page, clock.now()) && page !== undefined) return page.read;
      }
      const { page, read } = await this.#ask(this.#path, options.timeoutMs, "whole");
      choice.whole(page, clock.now());
      this.#whole = read;
      return read;
    } catch (error) {
      const { reason } = toFailure(error);
      choice.failed(clock.now(), reason === "refused" || reason === "reset");
      throw error;
    } finally {
      this.cost.next = choice.state === "restricted" ? "restricted" : "whole";
    }
  }

  /** Whether tryRestricted() has something to do. */
  get tryDue(): boolean {
    const { options, clock } = this.#parts;
    return options.restrict && this.#whole !== undefined && this.#choice.tryDue(clock.now());
  }

  /** Finds out whether the pod restricts its page. Never rejects. */
  async tryRestricted(): Promise<void> {
    const { clock, engines, options } = this.#parts;
    const whole = this.#whole as ReadPage;
    const engine = engines.get(whole.reading.engine ?? "");
    const paths = engine === undefined ? [] : restrictedPaths(this.#path, wantedNames(engine));
    const timeoutMs = Math.min(options.timeoutMs, TRY_FACTOR * whole.ms + TRY_MS);
    let over = false;
    for (const path of this.#choice.pathsToTry(paths)) {
      const asked = await this.#ask(path, timeoutMs, "restricted").catch(() => undefined);
      over = this.#choice.tried(path, asked?.page, clock.now());
      if (over) break;
    }
    if (!over) this.#choice.nothingFound(clock.now());
    this.cost.next = this.#choice.state === "restricted" ? "restricted" : "whole";
  }

  /** Asks for the restricted page. Returns undefined if no good response came. Rejects if no connection can be made. */
  #restricted(path: string): Promise<{ page: ParsedPage; read: ReadPage } | undefined> {
    return this.#ask(path, this.#parts.options.timeoutMs, "restricted").catch((error: unknown) => {
      const { reason } = toFailure(error);
      if (reason === "refused" || reason === "unreachable") throw error;
      return undefined;
    });
  }

  async #ask(path: string, timeoutMs: number, kind: PageKind): Promise<{ page: ParsedPage; read: ReadPage }> {
    const { options, parser, clock } = this.#parts;
    const startedAt = clock.now();
    const { page, received } = await this.#client.metrics(path, options.maxBytes, timeoutMs, (body, received) => ({
      page: parser.read(body),
      received,
    }));
    const ms = clock.now() - startedAt;
    this.cost.scraped(startedAt, ms, received, kind);
    return { page, read: { reading: page.reading, startedAt, ms } };
  }
}
