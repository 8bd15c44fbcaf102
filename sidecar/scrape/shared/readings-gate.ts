// Puts off a sidecar's own scrapes of a pod while another sidecar reads the pod. With a reading comes the time until the next one. If the
// next one does not come, this sidecar scrapes the pod itself, between two and three of these times after the last reading:
//
//   due = at + next + clamp(2 * lateness, next, 2 * next)
//
// `lateness` is how much later than promised the readings arrive, as learned. It is the duration of the other sidecar's scrape and of the way.

/** After something happened to a pod, the other sidecar's next reading is awaited this long, ms, or for three intervals, beside its lateness. */
const HASTENED_MS = 500;
/** What is left of the lateness with each reading that comes earlier. */
const LATENESS_KEPT = 0.9;

export class ReadingsGate {
  /** When the last reading's scrape began, and when the next scrape was to begin; ms. */
  #at = Number.NEGATIVE_INFINITY;
  #next = 0;
  #lateness = 0;
  #dueAt = Number.NEGATIVE_INFINITY;

  /** Takes the times of a reading that arrives at `now`, ms. `at`: when its scrape began; `next`: from there to the next scrape. */
  take(at: number, next: number, now: number): void {
    if (at <= this.#at) return;
    const late = this.#next > 0 ? Math.max(0, now - this.#at - this.#next) : 0;
    this.#lateness = Math.min(Math.max(late, LATENESS_KEPT * this.#lateness), next);
    this.#at = at;
    this.#next = next;
    this.#dueAt = at + next + Math.max(next, Math.min(2 * this.#lateness, 2 * next));
  }

  /** This sidecar takes over from the other one: its scrape is due when the other one's would have been. */
  takeOver(): void {
    this.#dueAt = Math.min(this.#dueAt, this.#at + this.#next);
  }

  /** Something happened to the pod at `now`, ms. The other sidecar learns of it too, so a reading should come soon. */
  hasten(now: number, intervalMs: number): void {
    this.#dueAt = Math.min(this.#dueAt, now + Math.max(HASTENED_MS, 3 * intervalMs) + this.#lateness);
  }

  /** How long an own scrape is put off at `now`, ms; 0: it is due. */
  waitMs(now: number): number {
    return Math.max(0, this.#dueAt - now);
  }
}
