// The contender Pilotfish: Envoys with the release wasm, and their sidecars.
import type { PaceOptions } from "../../../sidecar/scrape/timing/scrape-pace.ts";
import { Draws } from "../draws.ts";
import type { Contender, Router, World } from "../world.ts";
import { ALONE, type Delays, TALKING } from "./delays.ts";
import { SimEnvoy, type SimEnvoyOptions } from "./sim-envoy.ts";
import { PACE, SimSidecar, type SimSidecarOptions } from "./sim-sidecar.ts";

/** Ms between two looks whether an Envoy has answered a poll. So an answer is at most this much late. */
const LOOK_MS = 1;

export interface PilotfishOptions extends SimEnvoyOptions, SimSidecarOptions {
  /** Envoys that share the pods, each with as many workers; default 1. Each request goes to a random Envoy. */
  envoys?: number;
  /** Whether the Envoys do not talk: each has a sidecar that knows no other Envoy. */
  mute?: boolean;
  /** The delays of the exchange between Envoys that talk. Delays that are not given are those of TALKING. */
  delays?: Partial<Delays>;
  /** The first Envoy is killed and begins anew this often, in seconds. */
  restartEvery?: number;
  /** Each Envoy has a sidecar of its own, and the sidecar of the first begins anew together with its Envoy. */
  both?: boolean;
  /** The VM of one worker of the first Envoy dies this often, in seconds. */
  vmDiesEvery?: number;
}

export function pilotfish(options: PilotfishOptions): Contender {
  const parts = [
    `${options.workers} worker${options.workers > 1 ? "s" : ""}${(options.envoys ?? 1) > 1 ? ` × ${options.envoys}` : ""}`,
    ...disturbances(options),
  ];
  const costs = options.costs === undefined ? "" : ` (${options.costs} costs)`;
  return {
    name: `${options.profile}${costs}, ${parts.join(", ")}`,
    title: `Pilotfish, profile ${options.profile}${costs}, ${parts.join(", ")}; ${paceText(options.pace ?? PACE)}`,
    start: (world) => start(world, options),
  };
}

const paceText = ({ intervalMs, maxIntervalMs }: PaceOptions): string =>
  `scrapes every ${intervalMs === maxIntervalMs ? intervalMs : `${intervalMs} to ${maxIntervalMs}`} ms`;

function disturbances({ mute, delays, restartEvery, both, vmDiesEvery, page, pace }: PilotfishOptions): string[] {
  return [
    ...(page === "whole" ? ["whole pages"] : []),
    ...(pace === undefined ? [] : [paceText(pace)]),
    ...(mute ? ["which do not talk"] : []),
    ...(delays?.spacingMs === undefined ? [] : [`exchange every ${delays.spacingMs} ms`]),
    ...(restartEvery === undefined ? [] : [`one Envoy ${both ? "and its sidecar " : ""}anew every ${restartEvery} s`]),
    ...(vmDiesEvery === undefined ? [] : [`one worker's VM dies every ${vmDiesEvery} s`]),
  ];
}

function start(world: World, options: PilotfishOptions): Router {
  const { restartEvery, vmDiesEvery } = options;
  const envoys = Array.from({ length: options.envoys ?? 1 }, (_, number) => new SimEnvoy(world, options, number));
  const sidecars = sidecarsOf(world, envoys, options);
  const [first, firstSidecar] = [envoys[0] as SimEnvoy, sidecars[0] as SimSidecar];
  for (const [i, envoy] of envoys.entries()) envoy.begin(() => (sidecars[i] ?? firstSidecar).supply(envoy));
  for (const sidecar of sidecars) sidecar.start();
  if (talk(options))
    world.every(LOOK_MS, () => {
      for (const envoy of envoys) envoy.look();
    });
  if (restartEvery !== undefined)
    world.every(restartEvery * 1000, () => {
      if (options.both) firstSidecar.restart();
      first.restart(() => firstSidecar.supply(first));
    });
  if (vmDiesEvery !== undefined) world.every(vmDiesEvery * 1000, () => first.loseVm());
  const draws = new Draws(world.seed ^ 0xe0);
  return {
    route: (request) => (envoys[draws.below(envoys.length)] as SimEnvoy).route(request),
    scrapes: () => sidecars.reduce((sum, { scrapes }) => sum + scrapes, 0),
    close() {
      for (const envoy of envoys) envoy.close();
    },
  };
}

const talk = ({ envoys = 1, mute }: PilotfishOptions): boolean => envoys > 1 && mute !== true;

/** One sidecar for all Envoys, or one for each. */
function sidecarsOf(world: World, envoys: readonly SimEnvoy[], options: PilotfishOptions): SimSidecar[] {
  const { mute, both } = options;
  const delays = talk(options) ? { ...TALKING, ...options.delays } : ALONE;
  const sidecar = (targets: readonly SimEnvoy[], peers: readonly SimEnvoy[], number: number) =>
    new SimSidecar(world, { ...options, targets, peers, delays, number });
  if (!mute && !both) return [sidecar(envoys, [], 0)];
  return envoys.map((envoy, i) => sidecar([envoy], mute ? [] : envoys.filter((other) => other !== envoy), i));
}
