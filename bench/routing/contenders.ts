// The contenders. Each has Envoys of its own. In front of a pool stands Pilotfish's filter, an endpoint picker, one of Envoy's own
// policies, or a router that is the only upstream of its Envoys.
import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import type { JsonObject } from "../../envoy/json.ts";
import { areBuilt } from "../../testkit/go/program.ts";
import { EPP as EPP_DEFAULT, EPP_MENDED, type Peer, peerPath } from "../../testkit/peers/go-peers.ts";
import { DYNAMO as DYNAMO_PEER, isInstalled } from "../../testkit/peers/python-peers.ts";
import { ROUTERS, type Router } from "../../testkit/peers/routers.ts";
import type { ToldCosts } from "./learn-config.ts";

export interface RoutingContender {
  name: string;
  title: string;
  /** The configuration of Pilotfish's filter. */
  filter?: JsonObject;
  /** What the sidecar is told about the pods' costs. */
  costs?: ToldCosts;
  /** An endpoint picker, and its EndpointPickerConfig if it is not the default. */
  picker?: { peer: Peer; config?: string };
  router?: Router;
  /** The client names the pod, as fixed homes of the simulation do (bench/sim/rivals/home.ts). */
  homes?: boolean;
  balance?: "round robin" | "least request";
  /** Worker threads of each Envoy, and Envoys; absent: what options and load say. */
  shape?: Shape;
  /** The first Envoy begins anew again and again. */
  restarts?: boolean;
}

interface Shape {
  workers: number;
  envoys: number;
}

const OPTIMIZED_BASELINE = readFileSync(
  new URL("../../testkit/peers/epp-mended/optimized-baseline.yaml", import.meta.url),
  "utf8",
);
/** Longer than any run, so that the hold queue refuses nothing. */
const HOLD = { maxRequests: 16_384, maxBytes: 1_073_741_824, timeout: "3600s" };
const tokens = { profile: "tokens" };

export const TOKENS = "tokens";
export const HELD = "tokens-hold";
export const EPP = EPP_DEFAULT.name;
/** Only over Dynamo's mocker engines, where its frontend is the one upstream. */
export const DYNAMO = DYNAMO_PEER.name;
export const EPP_OPTIMIZED = "epp-optimized";
export const HOMES = "homes";
export const TRUE = "tokens-true";
const UNTOLD = "tokens-untold";
const LOAD = "load";
/** The contender with which `tokens` of other shapes is compared. */
export const ONE_WORKER = "tokens-1";
const RESTART = "-restart";

export const CONTENDERS: readonly RoutingContender[] = [
  { name: "round-robin", title: "Envoy's ROUND_ROBIN", balance: "round robin" },
  { name: "least-request", title: "Envoy's LEAST_REQUEST, choice_count 2", balance: "least request" },
  { name: HOMES, title: "fixed homes: the client names one pod for each prompt's beginning, no picker", homes: true },
  {
    name: EPP,
    title: `EPP v${EPP_DEFAULT.version} with its default plugins, by ext_proc`,
    picker: { peer: EPP_DEFAULT },
  },
  {
    name: EPP_OPTIMIZED,
    title: `EPP v${EPP_MENDED.version} with llm-d's optimized baseline, two lines mended, by ext_proc`,
    picker: { peer: EPP_MENDED, config: OPTIMIZED_BASELINE },
  },
  ...ROUTERS.map((router) => ({
    name: router.peer.name,
    title: `${router.peer.title} ${router.peer.version} behind Envoy, ${router.policy}`,
    router,
  })),
  {
    name: DYNAMO,
    title: `${DYNAMO_PEER.title} ${DYNAMO_PEER.version}'s KV router behind Envoy, with its defaults`,
    balance: "least request",
  },
  { name: LOAD, title: "Pilotfish, profile load", filter: { pick: { profile: "load" } } },
  {
    name: HELD,
    title: "Pilotfish, profile tokens, admission mode hold",
    filter: { pick: tokens, admission: { mode: "hold", hold: HOLD } },
  },
  {
    name: UNTOLD,
    title: "Pilotfish, profile tokens, which learns no costs",
    filter: { pick: tokens },
    costs: "untold",
  },
  {
    name: TRUE,
    title: "Pilotfish, profile tokens, with the true costs pinned",
    filter: { pick: tokens },
    costs: "true",
  },
  { name: TOKENS, title: "Pilotfish, profile tokens", filter: { pick: tokens } },
];

/** `tokens` with a shape of its own, or with restarts. */
const SHAPED = /^tokens(?:-([1-9]\d?)(?:x([1-9]|1[0-6]))?)?(-restart)?$/;

export const CONTENDER_NAMES = CONTENDERS.map(({ name }) => name);
const SPECIAL: readonly string[] = [HELD, TRUE, UNTOLD, HOMES, DYNAMO];
/** Who runs unless others are named: what a user can deploy. */
export const USUAL_NAMES = CONTENDER_NAMES.filter((name) => !SPECIAL.includes(name));

/** Returns the contender with this name; undefined: there is none. */
export function contenderNamed(name: string): RoutingContender | undefined {
  const known = CONTENDERS.find((one) => one.name === name);
  const [matched, workers, envoys = "1", restarts] = SHAPED.exec(name) ?? [];
  if (known !== undefined || matched === undefined || Number(workers) > 64) return known;
  const shape = workers === undefined ? undefined : { workers: Number(workers), envoys: Number(envoys) };
  const title = [
    "Pilotfish, profile tokens",
    ...(shape ? [`concurrency ${shape.workers}, Envoys: ${shape.envoys}`] : []),
    ...(restarts ? ["the first Envoy begins anew again and again"] : []),
  ];
  return {
    name,
    title: title.join(", "),
    filter: { pick: tokens },
    ...(shape && { shape }),
    ...(restarts !== undefined && { restarts: true }),
  };
}

/** Reads an option: names of contenders, separated by commas. */
export function contenderNames(given: string): string[] {
  return given.split(",").map((text) => {
    const name = text.trim();
    if (contenderNamed(name) !== undefined) return name;
    const known = `${CONTENDER_NAMES.join(",")}, or such as tokens-8,tokens-4x2,tokens-2-restart`;
    throw new InvalidArgumentError(`"${name}" given, expected some of ${known}`);
  });
}

/** Pilotfish in all forms. */
export const isOwn = (name: string): boolean => contenderNamed(name)?.filter !== undefined;

/** The name of the contender without restarts; undefined: the contender has none. */
export function undisturbed(name: string): string | undefined {
  return name.endsWith(RESTART) ? name.slice(0, -RESTART.length) : undefined;
}

/** Why a contender cannot run here; undefined if it can. The bench builds nothing: `make peers` does. */
export async function missing(
  { name, picker, router }: RoutingContender,
  mocker: boolean,
): Promise<string | undefined> {
  if (name === DYNAMO && !mocker) return `skipped: ${name} (its router needs its own engines: --pods mocker)`;
  if (name === TRUE && mocker) return `skipped: ${name} (the true costs of Dynamo's engines are not known)`;
  const python = [...(router ? [router.peer] : []), ...(mocker ? [DYNAMO_PEER] : [])];
  const absent = (await Promise.all(python.map(isInstalled))).findIndex((installed) => !installed);
  const peer = picker && !(await areBuilt([peerPath(picker.peer)])) ? picker.peer : python[absent];
  return peer && `skipped: ${name} (not in the cache; make peers ARGS="${peer.name}" puts it there)`;
}
