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

export const CASES: readonly Case[] = [
  {
    name: "100 pods at 50 ms",
    pods: 100,
    intervalMs: 50,
    gzip: false,
    file: FILE,
    atMost: { sidecar: 0.6, age: 150 },
    of: "real",
  },
  {
    name: "1,000 pods at 1 s",
    pods: 1000,
    intervalMs: 1000,
    gzip: false,
    file: FILE,
    atMost: { sidecar: 0.6, age: 150 },
    of: "snapshot",
  },
  {
    name: "100 pods at 50 ms, gzip",
    pods: 100,
    intervalMs: 50,
    gzip: true,
    file: FILE,
    atMost: { sidecar: Number.POSITIVE_INFINITY, age: Number.POSITIVE_INFINITY },
    of: "snapshot",
  },
];
