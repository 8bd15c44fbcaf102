// The names of Pilotfish's contenders on the command line.

import type { Contender } from "../world.ts";
import { TALKING } from "./delays.ts";
import { type PilotfishOptions, pilotfish } from "./pilotfish.ts";

const MOST_WORKERS = 64;
const MOST_ENVOYS = 8;

type Suffix = (options: PilotfishOptions, value: number) => PilotfishOptions;

/** The suffixes of a name by their words. Those that end with N have a number. */
const SUFFIXES: ReadonlyMap<string, { about: string; apply: Suffix }> = new Map(
  Object.entries({
    mute: {
      about: "the Envoys do not talk: each has a sidecar that knows no other Envoy",
      apply: (options) => ({ ...options, mute: true }),
    },
    everyN: {
      about: `polls and traffic pushes between Envoys are at least N ms apart, from 1 to 1000, instead of ${TALKING.spacingMs}`,
      apply: (options, ms) => ({ ...options, delays: { spacingMs: ms, spacingMsPerEnvoy: 0 } }),
    },
    whole: {
      about: "sidecars ask for whole pages, as from servers that ignore names",
      apply: (options) => ({ ...options, page: "whole" }),
    },
    scrapeN: {
      about: "pods are scraped every N ms, at a fixed pace",
      apply: (options, ms) => ({ ...options, pace: { intervalMs: ms, maxIntervalMs: ms, share: 1 } }),
    },
    restartN: {
      about:
        "the first Envoy is killed and begins anew every N s; its index is lost, and the pods answer what was in flight",
      apply: (options, restartEvery) => ({ ...options, restartEvery }),
    },
    both: {
      about:
        "with restartN: each Envoy has a sidecar of its own, and the first sidecar begins anew together with its Envoy",
      apply: (options) => ({ ...options, both: true }),
    },
    vmN: {
      about: "the VM of one worker of the first Envoy dies every N s",
      apply: (options, vmDiesEvery) => ({ ...options, vmDiesEvery }),
    },
  }),
);

const KINDS: Readonly<Record<string, { about: string; options: Pick<PilotfishOptions, "profile" | "costs"> }>> = {
  tokens: { about: "profile tokens", options: { profile: "tokens" } },
  load: { about: "profile load", options: { profile: "load" } },
  epp: { about: "profile epp", options: { profile: "epp" } },
  true: { about: "profile tokens, told the pods' true costs", options: { profile: "tokens", costs: "true" } },
  untold: { about: "profile tokens, told no costs", options: { profile: "tokens", costs: "default" } },
};

const NAME = new RegExp(`^(${Object.keys(KINDS).join("|")})-([1-9]\\d?)(?:x([1-9]))?((?:-[a-z]+\\d*)*)$`);

/** How contenders are named, as lines of help. */
export const NAMES_HELP = [
  `KIND-W        one Envoy with W workers, 1 to ${MOST_WORKERS}`,
  `KIND-WxE      E Envoys, 1 to ${MOST_ENVOYS}, with W workers each, that share the pods and talk; each request goes to a random one`,
  ...Object.entries(KINDS).map(([kind, { about }]) => `  KIND ${kind.padEnd(8)} ${about}`),
  ...[...SUFFIXES].map(([suffix, { about }]) => `  -${suffix.padEnd(12)} ${about}`),
];

/** Returns the contender with this name; undefined: the name is none of Pilotfish's. */
export function pilotfishNamed(name: string): Contender | undefined {
  const [, kind = "", workers, envoys = "1", suffixes = ""] = NAME.exec(name) ?? [];
  const known = KINDS[kind];
  if (known === undefined || Number(workers) > MOST_WORKERS || Number(envoys) > MOST_ENVOYS) return undefined;
  let options: PilotfishOptions = { ...known.options, workers: Number(workers), envoys: Number(envoys) };
  const seen = new Set<string>();
  for (const suffix of suffixes.split("-").slice(1)) {
    const [, word = "", digits = ""] = /^([a-z]+)(\d*)$/.exec(suffix) ?? [];
    const found = SUFFIXES.get(digits === "" ? word : `${word}N`);
    if (found === undefined || seen.has(word) || (digits !== "" && !/^[1-9]\d{0,3}$/.test(digits))) return undefined;
    seen.add(word);
    options = found.apply(options, Number(digits));
  }
  return isSound(options) ? pilotfish(options) : undefined;
}

function isSound({ envoys = 1, mute, delays, both, restartEvery }: PilotfishOptions): boolean {
  if (envoys === 1 && (mute === true || delays !== undefined)) return false;
  if (mute === true && delays !== undefined) return false;
  if ((delays?.spacingMs ?? 1) > 1000) return false;
  return both !== true || restartEvery !== undefined;
}
