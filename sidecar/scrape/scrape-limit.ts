// How many scrapes are under way at once, all pods together. Pods that fail have a quarter of the places only: a
// thousand hanging ones, each for its whole timeout, do not keep the others from being read.
const SUSPECT_SHARE = 4;

export class Gate {
  readonly #limit: number;
  readonly #suspectLimit: number;
  #inside = 0;
  #suspects = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#suspectLimit = Math.max(1, Math.floor(limit / SUSPECT_SHARE));
  }

  get inside(): number {
    return this.#inside;
  }

  /** False: there is no room now. Who is let in leaves again with the same `suspect`. */
  enter(suspect: boolean): boolean {
    if (this.#inside >= this.#limit || (suspect && this.#suspects >= this.#suspectLimit)) return false;
    this.#inside++;
    if (suspect) this.#suspects++;
    return true;
  }

  leave(suspect: boolean): void {
    this.#inside--;
    if (suspect) this.#suspects--;
  }
}
