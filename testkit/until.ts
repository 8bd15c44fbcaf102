import { setTimeout as sleep } from "node:timers/promises";

/** This limit is long enough for a busy machine: only a condition that never holds reaches the limit. */
const GENEROUS_MS = 60_000;

type Maybe<T> = T | undefined | null | false;

/** Polls until `probe` returns a value other than undefined, null or false. After the time limit it throws with `what`. */
export async function until<T>(
  what: string,
  probe: () => Maybe<T> | Promise<Maybe<T>>,
  limitMs = GENEROUS_MS,
): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const result = await probe();
    if (result !== undefined && result !== null && result !== false) return result;
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms without success: ${what}`);
    await sleep(10);
  }
}

/** Runs `one` for each number from 0 to total - 1, `width` at a time. */
export async function inParallel(total: number, width: number, one: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < total) await one(next++);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
