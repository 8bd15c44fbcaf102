// A value that follows what is learned, and changes only gradually: a filter that decides by it must not see it jump.

/** Largest change in a second, as a logarithm. A factor of 20 takes 8 s. */
const MAX_CHANGE = 0.4;
/** Changes up to this, as a share, are not followed. */
const DEADBAND = 0.01;

export class Gradual {
  #value: number;
  #at: number;

  /** `value`: above 0. `at`: ms. */
  constructor(value: number, at: number) {
    this.#value = value;
    this.#at = at;
  }

  get value(): number {
    return this.#value;
  }

  /** Follows `target`, a number above 0, up to the time `at`. Returns the value then. */
  follow(target: number, at: number): number {
    const seconds = Math.max(0, at - this.#at) / 1000;
    this.#at = Math.max(this.#at, at);
    if (!(target > 0) || !Number.isFinite(target)) return this.#value;
    const change = Math.log(target / this.#value);
    if (Math.abs(change) <= DEADBAND) return this.#value;
    const most = MAX_CHANGE * seconds;
    this.#value = Math.abs(change) <= most ? target : this.#value * Math.exp(Math.sign(change) * most);
    return this.#value;
  }
}
