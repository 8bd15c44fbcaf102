// The round trip to each place: the shortest of the last 30 to 60 seconds. Longer times include waiting on either side.

const WINDOW_MS = 30_000;

interface Window {
  /** When the window began. */
  at: number;
  /** The shortest time of this window and of the window before, in milliseconds. */
  now: number;
  before: number;
}

export class RoundTrips {
  readonly #windows = new Map<string, Window>();

  measured(place: string, ms: number, at: number): void {
    const window = this.#windows.get(place);
    if (window === undefined) this.#windows.set(place, { at, now: ms, before: ms });
    else if (at - window.at > WINDOW_MS) this.#windows.set(place, { at, now: ms, before: window.now });
    else window.now = Math.min(window.now, ms);
  }

  /** Returns the round trips: place → milliseconds. */
  all(): Map<string, number> {
    return new Map([...this.#windows].map(([place, { now, before }]) => [place, Math.min(now, before)]));
  }
}
