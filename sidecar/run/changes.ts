// Where the parts of a run report that the next snapshot says something new, and the one listener that they wake.

export class Changes {
  #listener: () => void = () => {};

  /** A pod, a cluster or a peer says something new. */
  notify(): void {
    this.#listener();
  }

  /** `listener` runs with each change from now on; changes before are lost. */
  listen(listener: () => void): void {
    this.#listener = listener;
  }
}
