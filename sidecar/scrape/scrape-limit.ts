// Limits how many scrapes run at once, over all pods. Failing pods may use a quarter of them. So a thousand pods that hang
// until their timeout do not keep the other pods from being scraped.
const SUSPECT_SHARE = 4;

export class ScrapeLimit {
  readonly #limit: number;
  readonly #suspectLimit: number;
  #running = 0;
  #suspects = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#suspectLimit = Math.max(1, Math.floor(limit / SUSPECT_SHARE));
  }

  get running(): number {
    return this.#running;
  }

  /** Returns whether a scrape may begin. After true the caller must call end() with the same `suspect`. */
  begin(suspect: boolean): boolean {
    if (this.#running >= this.#limit || (suspect && this.#suspects >= this.#suspectLimit)) return false;
    this.#running++;
    if (suspect) this.#suspects++;
    return true;
  }

  end(suspect: boolean): void {
    this.#running--;
    if (suspect) this.#suspects--;
  }
}
