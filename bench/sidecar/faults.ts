// Measures how soon the filter knows of a fault of one pod among many, and whether the readings of the other pods become older.
import { setTimeout as sleep } from "node:timers/promises";
import { Reader, type Spread, spread, warm } from "./measure.ts";
import type { Fault } from "./pods.ts";
import { type Plan, type Stage, type StageOptions, startStage } from "./stage.ts";

export interface FaultResult {
  what: string;
  /** The bound that the documentation states for the defaults. */
  statedMs: number;
  seenMs: number;
  /** Real ages of the readings of all other pods, from the fault until two seconds after the filter knew of the fault. */
  others: Spread;
}

interface Case {
  what: string;
  statedMs: number;
  fault?: Fault;
}

/** The faults and bounds of docs/how-to/model-servers.md for the default interval of 100 ms. */
const CASES: readonly Case[] = [
  { what: "crash: nothing listens any more", statedMs: 300, fault: "crash" },
  { what: "answers 500", statedMs: 700, fault: "500" },
  { what: "hangs", statedMs: 3500, fault: "hang" },
  { what: "drips a byte every 20 ms", statedMs: 3500, fault: "drip" },
  { what: "has another address", statedMs: 600 },
];
const AFTER_MS = 2000;
const POLL_MS = 15;
/** If the filter does not know of the fault within this time, the case fails. */
const GIVE_UP_MS = 15_000;

export async function measureFaults(plan: Plan, options: StageOptions): Promise<FaultResult[]> {
  // The new pod of the last case needs one more address.
  const stage = await startStage({ ...plan, pods: plan.pods + 1 }, { ...options, manifests: plan.pods });
  const reader = new Reader(stage);
  try {
    await warm(reader, plan.pods);
    const results: FaultResult[] = [];
    for (const [i, one] of CASES.entries()) results.push(await measureOne(one, i, plan.pods, stage, reader));
    return results;
  } finally {
    await reader.close();
    await stage.close();
  }
}

async function measureOne(one: Case, index: number, pods: number, stage: Stage, reader: Reader): Promise<FaultResult> {
  const failing = stage.addresses[index] as string;
  const coming = stage.addresses[pods] as string;
  const ages: number[] = [];
  let seenMs: number | undefined;
  const start = performance.now();
  if (one.fault !== undefined) stage.fail(index, one.fault);
  else await stage.write(stage.addresses.filter((address) => address !== failing));
  for (;;) {
    const { view, real } = await reader.read();
    const elapsed = performance.now() - start;
    const of = (address: string) => view.endpoints.find((endpoint) => endpoint.address === address);
    const seen =
      one.fault === undefined ? of(failing) === undefined && of(coming)?.ready === true : of(failing)?.ready === false;
    if (seen) seenMs ??= elapsed;
    for (const { address, waiting, ready } of view.endpoints) {
      // The pods of earlier cases stay unchanged.
      if (ready && address !== failing && address !== coming && waiting !== null) ages.push(real(waiting));
    }
    if (elapsed > (seenMs ?? GIVE_UP_MS) + AFTER_MS) break;
    await sleep(POLL_MS);
  }
  const { what, statedMs } = one;
  return { what, statedMs, seenMs: seenMs ?? Number.POSITIVE_INFINITY, others: spread(ages) };
}
