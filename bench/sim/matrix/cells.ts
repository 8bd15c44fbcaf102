// What the matrix runs: pods times loads. Each cell is run with several seeds and contenders.
import { COMPUTED_HARDWARE, HARDWARE_NAMES, type HardwareName } from "../../../simulator/hardware.ts";
import { usualRate } from "../loads.ts";

interface Pods {
  hardware: HardwareName;
  tokenBytes: number;
  /** Number of pods; undefined: the load's own. */
  count?: number;
}

export interface MatrixCell extends Pods {
  load: string;
  requests: number;
}

/** Which lines of the issue apply to a cell. */
type CellRole = "table" | "other" | "overload" | "return";

/** The loads of the issue's table. */
const MAIN_LOADS = ["shared-80", "sessions", "mixed", "slow"];
const OVERLOADS = ["overload-100", "overload-115", "overload-130"];
const RETURN = "overload-return";
const OTHER_LOADS = [
  "fitting-80",
  "fitting-95",
  "skewed-80",
  "skewed-95",
  "one-prompt",
  "cold-prompt",
  "adapters",
  "bursts",
  "long-answers",
  "mooncake",
  "languages",
  "agents",
  "pictures",
  "ladder",
  "hetero",
];

const on = (hardware: HardwareName, tokenBytes = 4): Pods => ({ hardware, tokenBytes });
const ASSUMED = on("as-assumed");

/** The rows of the issue's table. */
const TABLE_PODS = [
  ASSUMED,
  on("as-assumed", 2),
  on("as-assumed", 6),
  on("l4-like"),
  on("70b-like"),
  on("fast"),
  on("cpu-like"),
];

const REQUESTS_A_POD = 120;

const product = (pods: readonly Pods[], loads: readonly string[], requests: number): MatrixCell[] =>
  pods.flatMap((row) => loads.map((load) => ({ ...row, load, requests })));

/** Contenders of the suites that do not name their own. */
const USUAL = ["lr-all", "epp-auto", "epp-ob", "llmd-ob", "dynamo", "home", "exact", "true-2", "tokens-2"];
/** An Envoy with few and with many workers, and several Envoys, beside the bound and the endpoint picker. */
const SPREAD = [
  "exact",
  "epp",
  ...["tokens-1", "tokens-2", "tokens-8", "tokens-16", "tokens-64"],
  "tokens-4x4",
  "tokens-2x2-mute",
];
/** One of one and one of two Envoys that begin anew each minute, each beside the same Envoys undisturbed. */
const RESTARTED = [
  ...["tokens-1", "tokens-1-restart60"],
  ...["tokens-2", "tokens-2-restart60", "tokens-2-vm60"],
  ...["tokens-2x2", "tokens-2x2-restart60", "tokens-2x2-restart60-both"],
];
/** Three restarts, and some time after the last one. */
const RESTART_SECONDS = 200;

interface Suite {
  cells(requests: number): MatrixCell[];
  /** Absent: the usual contenders. */
  contenders?: readonly string[];
}

const large = (): MatrixCell[] =>
  [32, 128].flatMap((count) => product([{ ...ASSUMED, count }], ["mixed", "sessions"], REQUESTS_A_POD * count));

const SUITES: Readonly<Record<string, Suite>> = {
  table: { cells: (requests) => product(TABLE_PODS, MAIN_LOADS, requests) },
  loads: { cells: (requests) => product([ASSUMED, on("l4-like")], OTHER_LOADS, requests) },
  hardware: {
    cells: (requests) =>
      product(
        COMPUTED_HARDWARE.map((name) => on(name)),
        [...MAIN_LOADS, "fitting-80", "mooncake"],
        requests,
      ),
  },
  /** Where caches just hold all prompts, a wrong number of bytes per token breaks down. */
  bytes: {
    cells: (requests) =>
      product(
        [1.5, 2, 3, 5, 6, 9].map((bytes) => on("as-assumed", bytes)),
        ["fitting-80", "skewed-95"],
        requests,
      ),
  },
  overload: {
    cells: (requests) =>
      product(
        HARDWARE_NAMES.map((name) => on(name)),
        [...OVERLOADS, RETURN],
        requests,
      ),
  },
  pools: { cells: large },
  /** From one worker to many, and to several Envoys. */
  workers: { cells: (requests) => [...product([ASSUMED], MAIN_LOADS, requests), ...large()], contenders: SPREAD },
  restarts: {
    cells: () =>
      ["fitting-80", "shared-80"].flatMap((load) =>
        product([ASSUMED], [load], Math.round(usualRate(load) * RESTART_SECONDS)),
      ),
    contenders: RESTARTED,
  },
};

export const SUITE_NAMES = Object.keys(SUITES);

/** A cell, the contenders that run in it, and whether its suite compares Envoys with fewer or undisturbed Envoys. */
export interface Asked {
  cell: MatrixCell;
  contenders: readonly string[];
  isSpread: boolean;
}

/** The cells of suites. `contenders`: these instead of the suites' own. */
export function cellsOf(suites: readonly string[], requests: number, contenders?: readonly string[]): Asked[] {
  return suites.flatMap((name) => {
    const { cells, contenders: own } = SUITES[name] as Suite;
    const isSpread = own !== undefined;
    return cells(requests).map((cell) => ({ cell, contenders: contenders ?? own ?? USUAL, isSpread }));
  });
}

/** The cells of given pods and loads instead of a suite. */
export function cellsFor(
  hardware: readonly HardwareName[],
  tokenBytes: readonly number[],
  loads: readonly string[],
  requests: number,
  contenders: readonly string[] = USUAL,
): Asked[] {
  const pods = hardware.flatMap((name) => tokenBytes.map((bytes) => on(name, bytes)));
  return product(pods, loads, requests).map((cell) => ({ cell, contenders, isSpread: false }));
}

export function roleOf(cell: MatrixCell): CellRole {
  if (cell.load === RETURN) return "return";
  if (OVERLOADS.includes(cell.load)) return "overload";
  const row = TABLE_PODS.some(
    ({ hardware, tokenBytes }) => hardware === cell.hardware && tokenBytes === cell.tokenBytes,
  );
  return MAIN_LOADS.includes(cell.load) && row && cell.count === undefined ? "table" : "other";
}

export function podsName({ hardware, tokenBytes, count }: Pods): string {
  return `${hardware}${tokenBytes === 4 ? "" : ` ${tokenBytes} B`}${count === undefined ? "" : ` × ${count}`}`;
}

export const cellName = (cell: MatrixCell): string => `${cell.load} on ${podsName(cell)}`;
