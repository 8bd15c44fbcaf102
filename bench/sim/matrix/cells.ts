// What the matrix runs: pods times loads. Each cell is run with several seeds and contenders.
import { COMPUTED_HARDWARE, HARDWARE_NAMES, type HardwareName } from "../../../simulator/hardware.ts";

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

const SUITES: Readonly<Record<string, (requests: number) => MatrixCell[]>> = {
  /** The issue's table. */
  table: (requests) => product(TABLE_PODS, MAIN_LOADS, requests),
  loads: (requests) => product([ASSUMED, on("l4-like")], OTHER_LOADS, requests),
  hardware: (requests) =>
    product(
      COMPUTED_HARDWARE.map((name) => on(name)),
      [...MAIN_LOADS, "fitting-80", "mooncake"],
      requests,
    ),
  /** Where caches just hold all prompts, a wrong number of bytes per token breaks down. */
  bytes: (requests) =>
    product(
      [1.5, 2, 3, 5, 6, 9].map((bytes) => on("as-assumed", bytes)),
      ["fitting-80", "skewed-95"],
      requests,
    ),
  overload: (requests) =>
    product(
      HARDWARE_NAMES.map((name) => on(name)),
      [...OVERLOADS, RETURN],
      requests,
    ),
  pools: () =>
    [32, 128].flatMap((count) => product([{ ...ASSUMED, count }], ["mixed", "sessions"], REQUESTS_A_POD * count)),
};

export const SUITE_NAMES = Object.keys(SUITES);

export function cellsOf(suites: readonly string[], requests: number): MatrixCell[] {
  return suites.flatMap((name) => SUITES[name]?.(requests) ?? []);
}

/** The cells of given pods and loads instead of a suite. */
export function cellsFor(
  hardware: readonly HardwareName[],
  tokenBytes: readonly number[],
  loads: readonly string[],
  requests: number,
): MatrixCell[] {
  const pods = hardware.flatMap((name) => tokenBytes.map((bytes) => on(name, bytes)));
  return product(pods, loads, requests);
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
