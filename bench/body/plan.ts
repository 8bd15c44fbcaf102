// Decides how much a run measures: cells, repetitions and requests. Larger bodies get fewer requests, so that a repetition of any
// size takes a few tenths of a second.

import { type BodyKind, POSITIONS } from "./bodies.ts";
import type { Plan, Regime } from "./measure.ts";
import { TEXTS, type Text } from "./texts.ts";

const KIB = 2 ** 10;
const MIB = 2 ** 20;

const SIZES: readonly number[] = [KIB, 16 * KIB, 128 * KIB, MIB, 8 * MIB];
/** The sizes at which the claim compares Pilotfish with BBR, with plain prompts only. */
const BBR_SIZES: readonly number[] = [512, 220 * KIB];
const QUICK_SIZES: readonly number[] = [KIB, 128 * KIB, MIB];
const QUICK_TEXTS: readonly Text[] = ["ascii"];
/** For larger bodies, some contenders take longer than the spacing. */
const SPACED_UP_TO = MIB;
export const MEMORY_BODIES = 64;
export const MEMORY_BODY_BYTES = 8 * MIB;

interface Wanted {
  full: boolean;
  sizes?: readonly number[] | undefined;
  texts?: readonly Text[] | undefined;
  regimes: readonly Regime[];
}

export function cellsOf(wanted: Wanted): { kind: BodyKind; regime: Regime }[] {
  const sizes = wanted.sizes ?? (wanted.full ? SIZES : QUICK_SIZES);
  const texts = wanted.texts ?? (wanted.full ? TEXTS : QUICK_TEXTS);
  const kinds: BodyKind[] = [];
  for (const text of texts) {
    const all = wanted.full && !wanted.sizes && text === "ascii" ? [...sizes, ...BBR_SIZES] : sizes;
    for (const position of POSITIONS) for (const bytes of all) kinds.push({ text, position, bytes });
  }
  return wanted.regimes.flatMap((regime) =>
    kinds.filter(({ bytes }) => regime !== "spaced" || bytes <= SPACED_UP_TO).map((kind) => ({ kind, regime })),
  );
}

export function planOf(bytes: number, regime: Regime, full: boolean, repetitions: number, connections: number): Plan {
  if (regime === "spaced") {
    return { regime, repetitions, latencyRequests: full ? 30 : 15, cpuRequests: 0, connections: 1 };
  }
  const share = full ? 1 : 0.5;
  const scaled = (budget: number, most: number) => Math.max(6, Math.round(Math.min(most, budget / bytes) * share));
  return {
    regime,
    repetitions,
    latencyRequests: scaled(32 * MIB, 300),
    cpuRequests: scaled(64 * MIB, 600),
    connections,
  };
}

/** Number of distinct bodies of a cell: as many as fit into the memory budget, and at most the number of requests. */
export function poolSize(bytes: number, plan: Plan): number {
  const sent = plan.repetitions * (plan.latencyRequests + plan.cpuRequests);
  return Math.max(8, Math.min(sent, 1024, Math.floor((64 * MIB) / bytes)));
}
