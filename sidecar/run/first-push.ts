// Decides when a run begins to push, and when a reload may end the run before.
//
//   waiting ── each source has reported, and each pod and each peer has responded or failed ──▶ pushing
//   waiting ── START_GRACE_MS passed, and a pod is known ──▶ pushing
//   waiting ── START_GRACE_MS passed, and each source has reported, so it is certain that there are no pods ──▶ pushing
//   pushing ── a target took the snapshot, or another sidecar has the lease there ──▶ taken
//   pushing ── FIRST_PUSH_MS passed ──▶ taken
//
// A filter forgets the models that a snapshot leaves out. So the first snapshot waits for the models of all pods.
import type { PushResult } from "../push/push-answer.ts";

/** Pods and peers that do not respond delay the first push by at most this time. A silent source delays it until a pod is known. */
const START_GRACE_MS = 2000;
/** A reload waits at most this long for a target to take the first snapshot. */
const FIRST_PUSH_MS = 1000;

/** What a run knows about its pods (run/knowledge.ts). */
interface Known {
  readonly settled: boolean;
  readonly some: boolean;
}

export class FirstPush {
  /** Resolves in the state taken, or when FirstPush is closed earlier. */
  readonly taken: Promise<void>;
  readonly #known: Known;
  #taken: () => void = () => {};
  #pushing = false;
  #graceOver = false;
  #grace: NodeJS.Timeout | undefined;
  #patience: NodeJS.Timeout | undefined;

  constructor(known: Known) {
    this.#known = known;
    this.taken = new Promise((resolve) => {
      this.#taken = resolve;
    });
  }

  get pushing(): boolean {
    return this.#pushing;
  }

  /** Starts the grace time. `overdue` runs when the time is over and nothing was pushed. */
  wait(overdue: () => void): void {
    this.#grace = setTimeout(() => {
      this.#graceOver = true;
      if (!this.#pushing) overdue();
    }, START_GRACE_MS);
  }

  /** Returns true once, when pushing begins. */
  begins(): boolean {
    const may = this.#known.settled || (this.#graceOver && this.#known.some);
    if (this.#pushing || !may) return false;
    this.#pushing = true;
    this.#patience = setTimeout(this.#taken, FIRST_PUSH_MS);
    return true;
  }

  answered(result: PushResult): void {
    if (result === "ok" || result === "held") this.#taken();
  }

  close(): void {
    clearTimeout(this.#grace);
    clearTimeout(this.#patience);
    this.#taken();
  }
}
