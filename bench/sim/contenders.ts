// All contenders by their names on the command line.

import { InvalidArgumentError } from "commander";
import { NAMES_HELP, pilotfishNamed } from "./pilotfish/pilotfish-names.ts";
import { dynamo } from "./rivals/dynamo.ts";
import { leastRequest2, leastRequestAll, roundRobin } from "./rivals/envoy-balancers.ts";
import { epp, eppAuto } from "./rivals/epp.ts";
import { exactState } from "./rivals/exact-state.ts";
import { home } from "./rivals/home.ts";
import { eppOptimized, llmdOptimized } from "./rivals/optimized-baseline.ts";
import type { Contender } from "./world.ts";

/** Models of other rules, and bounds. */
export const MODELS: Readonly<Record<string, Contender>> = {
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

export const isModel = (name: string): boolean => Object.hasOwn(MODELS, name);

/** Examples of all contenders, for the help of an option. */
export const CONTENDERS_HELP = `${Object.keys(MODELS).join(",")}, and Pilotfish's, such as tokens-2,load-1,tokens-4x4,tokens-2x2-mute,tokens-2-restart60`;

/** Text for the end of a help page. */
export const CONTENDER_NAMES_HELP = `
How Pilotfish's contenders are named:
${NAMES_HELP.map((line) => `  ${line}`).join("\n")}
`;

/** Throws a RangeError for a name that no contender has. */
export function contenderOf(name: string): Contender {
  const contender = isModel(name) ? MODELS[name] : pilotfishNamed(name);
  if (contender === undefined) throw new RangeError(`contender: "${name}" given, expected some of ${CONTENDERS_HELP}`);
  return contender;
}

/** Reads an option: names of contenders, separated by commas. */
export function contenderNames(given: string): string[] {
  const names = given.split(",").map((name) => name.trim());
  try {
    for (const name of names) contenderOf(name);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return names;
}
