// The adapters of a pod, from vLLM's info metric. vLLM keeps one series for every combination of adapters that ever had
// requests. The value of a series is the time at which the combination was last true, so the newest series is current.
// Two series of the same time both count. vLLM 0.32 writes the same list as running and as waiting: an adapter in both
// lists counts as running.
import type { AdapterReading } from "../engines/reading.ts";
import { parseNumber } from "./number.ts";

/** Maximum of kept series with the same time. Two such series are rare; hundreds are an attack. */
const MAX_TIES = 8;
const MAX_ADAPTERS = 1024;

/** Keeps byte positions during the pass over the body. After the pass it makes text, only for the newest series. */
export class AdapterSeries {
  #newest = Number.NEGATIVE_INFINITY;
  #ranges: number[] = [];

  clear(): void {
    this.#newest = Number.NEGATIVE_INFINITY;
    this.#ranges = [];
  }

  /**
   * Takes a series. `from` and `to` are the byte ranges of three label values, in the order max, running, waiting; -1: the
   * label is missing.
   */
  offer(time: number, from: Int32Array, to: Int32Array): void {
    if (!(time >= this.#newest)) return;
    if (time > this.#newest) this.#ranges.length = 0;
    this.#newest = time;
    if (this.#ranges.length < MAX_TIES * 6) {
      for (let i = 0; i < 3; i++) this.#ranges.push(from[i] as number, to[i] as number);
    }
  }

  /** Returns the newest series as text; null: the body had none. `body` is the same as in the pass. */
  read(body: Buffer): AdapterReading | null {
    if (this.#ranges.length === 0) return null;
    let max = 0;
    const running = new Set<string>();
    const waiting = new Set<string>();
    for (let i = 0; i < this.#ranges.length; i += 6) {
      const [maxFrom, maxTo, runFrom, runTo, waitFrom, waitTo] = this.#ranges.slice(i, i + 6) as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      max = Math.max(max, (maxFrom < 0 ? undefined : parseNumber(body, maxFrom, maxTo)) ?? 0);
      addNames(running, body, runFrom, runTo);
      addNames(waiting, body, waitFrom, waitTo);
    }
    for (const name of running) waiting.delete(name);
    return { max, running: [...running].sort(), waiting: [...waiting].sort() };
  }
}

function addNames(names: Set<string>, body: Buffer, from: number, to: number): void {
  if (from < 0) return;
  for (const name of unescapeLabel(body.toString("utf8", from, to)).split(",")) {
    const trimmed = name.trim();
    if (trimmed !== "" && names.size < MAX_ADAPTERS) names.add(trimmed);
  }
}

function unescapeLabel(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(/\\(.)/g, (_, byte: string) => (byte === "n" ? "\n" : byte));
}
