// All contenders by their names on the command line.
import { dynamo } from "./dynamo.ts";
import { leastRequest2, leastRequestAll, roundRobin } from "./envoy-balancers.ts";
import { epp, eppAuto } from "./epp.ts";
import { exactState } from "./exact-state.ts";
import { home } from "./home.ts";
import { eppOptimized, llmdOptimized } from "./optimized-baseline.ts";
import { pilotfish } from "./pilotfish.ts";
import type { Contender } from "./world.ts";

export const CONTENDERS: Readonly<Record<string, Contender>> = {
  rr: roundRobin,
  lr: leastRequest2,
  "lr-all": leastRequestAll,
  epp,
  "epp-auto": eppAuto,
  "epp-ob": eppOptimized,
  "llmd-ob": llmdOptimized,
  dynamo,
  home,
  exact: exactState,
  "load-1": pilotfish({ profile: "load", workers: 1 }),
  "load-2": pilotfish({ profile: "load", workers: 2 }),
  "tokens-1": pilotfish({ profile: "tokens", workers: 1 }),
  "tokens-2": pilotfish({ profile: "tokens", workers: 2 }),
  "tokens-4": pilotfish({ profile: "tokens", workers: 4 }),
  "tokens-8": pilotfish({ profile: "tokens", workers: 8 }),
  "untold-2": pilotfish({ profile: "tokens", workers: 2, costs: "default" }),
  "true-1": pilotfish({ profile: "tokens", workers: 1, costs: "true" }),
  "true-2": pilotfish({ profile: "tokens", workers: 2, costs: "true" }),
  "tokens-2x2": pilotfish({ profile: "tokens", workers: 2, envoys: 2 }),
};

export const CONTENDER_NAMES = Object.keys(CONTENDERS);
