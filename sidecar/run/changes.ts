// Connects the parts of a run, which report that the next snapshot will differ, with the one listener that pushes.

export class Changes {
  #listener: () => void = () => {};

  /** Called when a pod, a cluster or a peer has changed. */
  notify(): void {
    this.#listener();
  }

  /** Sets the listener, which runs at each change from now on. Earlier changes are lost. */
  listen(listener: () => void): void {
    this.#listener = listener;
  }
}
