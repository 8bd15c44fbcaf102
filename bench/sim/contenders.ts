// All contenders by their names on the command line.

import { pilotfish } from "./pilotfish.ts";
import { dynamo } from "./rivals/dynamo.ts";
import { leastRequest2, leastRequestAll, roundRobin } from "./rivals/envoy-balancers.ts";
import { epp, eppAuto } from "./rivals/epp.ts";
import { exactState } from "./rivals/exact-state.ts";
import { home } from "./rivals/home.ts";
import { eppOptimized, llmdOptimized } from "./rivals/optimized-baseline.ts";
import type { Contender } from "./world.ts";

/** Models of other rules, and bounds. */
const MODELS: Readonly<Record<string, Contender>> = {
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
};

/** Pilotfish's own module. */
const OURS: Readonly<Record<string, Contender>> = {
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

export const CONTENDERS: Readonly<Record<string, Contender>> = { ...MODELS, ...OURS };

export const isModel = (name: string): boolean => Object.hasOwn(MODELS, name);

export const CONTENDER_NAMES = Object.keys(CONTENDERS);
