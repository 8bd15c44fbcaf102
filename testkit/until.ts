import { setTimeout as sleep } from "node:timers/promises";

/** Reached by what never comes only: a busy machine takes ten times as long for all else. */
const GENEROUS_MS = 60_000;

type Maybe<T> = T | undefined | null | false;

/** Polls until `probe` gives something other than undefined, null or false; fails with what was waited for. */
export async function until<T>(
  what: string,
  probe: () => Maybe<T> | Promise<Maybe<T>>,
  limitMs = GENEROUS_MS,
): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const result = await probe();
    if (result !== undefined && result !== null && result !== false) return result;
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await sleep(10);
  }
}

/** Runs `one` for 0 … total-1, `width` at a time. */
export async function inParallel(total: number, width: number, one: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < total) await one(next++);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** A reproducible stream of numbers in [0, 1): mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  };
}
