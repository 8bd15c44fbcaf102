// The set-ups that bench-sidecar measures, with the figures that each must reach.
import type { Plan } from "./stage.ts";

const FILE = "tests/fixtures/metrics/vllm-0.32-load.txt";

export interface Case extends Plan {
  name: string;
  /** Upper limits: the sidecar's CPU in cores, and the p99 of the age in ms. `of` says which age. */
  atMost: { sidecar: number; age: number };
  /** The age that `atMost.age` limits. If pods are scraped once a second, the real age cannot be below a second. */
  of: "real" | "snapshot";
}

const HUNDRED = { pods: 100, intervalMs: 50, gzip: false, file: FILE, of: "real" } as const;
const THOUSAND = { pods: 1000, intervalMs: 1000, gzip: false, file: FILE, of: "snapshot" } as const;
const AGE = 150;

export const CASES: readonly Case[] = [
  { ...HUNDRED, name: "100 pods at 50 ms", names: true, atMost: { sidecar: 0.25, age: AGE } },
  { ...THOUSAND, name: "1,000 pods at 1 s", names: true, atMost: { sidecar: 0.3, age: AGE } },
  // Whole pages must not cost more than before sidecars asked for names: 0.57 and 0.73 of a core, and 5 % for the machine's noise.
  { ...HUNDRED, name: "100 pods at 50 ms, names ignored", names: false, atMost: { sidecar: 0.6, age: AGE } },
  { ...THOUSAND, name: "1,000 pods at 1 s, names ignored", names: false, atMost: { sidecar: 0.77, age: AGE } },
  {
    ...HUNDRED,
    name: "100 pods at 50 ms, gzip, names ignored",
    ...{ names: false, gzip: true, of: "snapshot" },
    atMost: { sidecar: Number.POSITIVE_INFINITY, age: Number.POSITIVE_INFINITY },
  },
];
