// Measures one cell: the same bodies go through every contender, repetition by repetition (A B C A B C …). Each repetition rotates
// the order, so that no contender always follows the same other contender.
//
//   back to back   latency: one connection, the next request after the answer; CPU: several connections
//   spaced         one connection, one request every 20 ms: caches are cold, as in a gateway with other work

import { setTimeout as sleep } from "node:timers/promises";
import { cpuNanoseconds } from "../../testkit/cpu.ts";
import { Connection, type Prepared } from "./client.ts";
import { BASELINE } from "./contenders.ts";
import type { Runner } from "./setup.ts";

export const REGIMES = ["back-to-back", "spaced"] as const;
export type Regime = (typeof REGIMES)[number];

export const SPACING_MS = 20;

export interface Plan {
  regime: Regime;
  repetitions: number;
  /** Requests of a repetition on the connection that measures latency. */
  latencyRequests: number;
  /** Requests of a repetition on `connections` that measure CPU; with 0 the latency requests measure CPU as well. */
  cpuRequests: number;
  connections: number;
}

/** Raw figures of one contender, with one entry for each repetition. */
export interface Series {
  contender: string;
  /** µs of Envoy's CPU per request, without its CPU when idle. */
  cpuUs: number[];
  /** µs of CPU per request of the process beside Envoy, without its CPU when idle. */
  otherCpuUs: number[];
  /** µs from the first byte written to the last byte read, of every request of the repetition. */
  latenciesUs: number[][];
}

export interface IdleRate {
  /** CPU nanoseconds per second without requests. */
  envoy: number;
  other: number;
}

/** Builds the requests with these bodies as the contender's client sends them. */
export type Pool = (runner: Runner) => readonly Prepared[];

export async function measureCell(
  runners: readonly Runner[],
  pool: Pool,
  plan: Plan,
  idle: ReadonlyMap<string, IdleRate>,
): Promise<{ series: Series[]; failed: string[] }> {
  const all = await Promise.all(runners.map((runner) => openLane(runner, pool(runner), plan.connections)));
  const failed: string[] = [];
  try {
    const lanes: Lane[] = [];
    for (const lane of all) {
      try {
        await warmUp(lane);
        lanes.push(lane);
      } catch (error) {
        // A peer that fails for this body gets no figure. The baseline and Pilotfish must not fail, because the others are compared to them.
        if (isBaseline(lane.series) || lane.runner.contender.pilotfish) throw error;
        failed.push(error instanceof Error ? error.message : String(error));
      }
    }
    for (let repetition = 0; repetition < plan.repetitions; repetition++) {
      for (let i = 0; i < lanes.length; i++) {
        const lane = lanes[(i + repetition) % lanes.length] as Lane;
        await repeat(lane, plan, idle.get(lane.runner.contender.name) ?? { envoy: 0, other: 0 });
      }
    }
    return { series: lanes.map((lane) => lane.series), failed };
  } finally {
    for (const lane of all) for (const connection of lane.connections) connection.close();
  }
}

interface Lane {
  runner: Runner;
  connections: Connection[];
  pool: readonly Prepared[];
  /** Position of the next request in the pool, which continues over all repetitions. */
  next: number;
  series: Series;
}

async function openLane(runner: Runner, pool: readonly Prepared[], count: number): Promise<Lane> {
  const connections = await Promise.all(Array.from({ length: count }, () => Connection.open(runner.envoy.port)));
  const series: Series = { contender: runner.contender.name, cpuUs: [], otherCpuUs: [], latenciesUs: [] };
  return { runner, connections, pool, next: 0, series };
}

/** Warms up: every connection has sent a request, upstream connections are open, and the contender works correctly. */
async function warmUp(lane: Lane): Promise<void> {
  for (const connection of lane.connections) {
    for (let i = 0; i < 2; i++) {
      const prepared = take(lane);
      const answer = await connection.send(prepared.bytes);
      check(lane, prepared, answer.status, answer.body);
      const picked = answer.body.length > prepared.model.length + 1;
      const { pilotfish, floor } = lane.runner.contender;
      if (picked !== (pilotfish === true || floor === "model-and-pods"))
        throw new Error(`${lane.runner.contender.name}: a destination header was ${picked ? "" : "not "}set`);
    }
  }
}

async function repeat(lane: Lane, plan: Plan, idle: IdleRate): Promise<void> {
  const latencies = new Array<number>(plan.latencyRequests);
  const one = lane.connections[0] as Connection;
  let use = usage(lane.runner);
  if (plan.regime === "spaced") {
    let due = performance.now();
    for (let i = 0; i < latencies.length; i++) {
      latencies[i] = await timed(lane, one);
      due = Math.max(due + SPACING_MS, performance.now());
      await sleep(due - performance.now());
    }
  } else {
    for (let i = 0; i < latencies.length; i++) latencies[i] = await timed(lane, one);
  }
  let requests = latencies.length;
  if (plan.cpuRequests > 0) {
    use = usage(lane.runner);
    requests = plan.cpuRequests;
    let left = requests;
    await Promise.all(
      lane.connections.map(async (connection) => {
        while (left-- > 0) await timed(lane, connection);
      }),
    );
  }
  const now = usage(lane.runner);
  const seconds = (now.at - use.at) / 1000;
  lane.series.latenciesUs.push(latencies);
  lane.series.cpuUs.push((now.envoy - use.envoy - idle.envoy * seconds) / requests / 1000);
  lane.series.otherCpuUs.push((now.other - use.other - idle.other * seconds) / requests / 1000);
}

/** Sends the next body and checks its answer. Returns the duration in µs. */
async function timed(lane: Lane, connection: Connection): Promise<number> {
  const prepared = take(lane);
  const from = performance.now();
  const answer = await connection.send(prepared.bytes);
  const took = performance.now() - from;
  check(lane, prepared, answer.status, answer.body);
  return took * 1000;
}

function take(lane: Lane): Prepared {
  const prepared = lane.pool[lane.next % lane.pool.length] as Prepared;
  lane.next++;
  return prepared;
}

/** The upstream answers with the model header that it received, so a contender that routes wrongly gets no figures. */
function check(lane: Lane, prepared: Prepared, status: number, body: string): void {
  if (status === 200 && body.startsWith(`${prepared.model} `)) return;
  const { name } = lane.runner.contender;
  throw new Error(`${name}: answered ${status} "${body.slice(0, 200)}", expected 200 "${prepared.model} …"`);
}

function usage(runner: Runner): { envoy: number; other: number; at: number } {
  return {
    envoy: cpuNanoseconds(runner.pid),
    other: runner.otherPid === undefined ? 0 : cpuNanoseconds(runner.otherPid),
    at: performance.now(),
  };
}

/** CPU of each process without requests: ticks, stats, timers. All processes at the same time, for `seconds`. */
export async function measureIdle(runners: readonly Runner[], seconds: number): Promise<Map<string, IdleRate>> {
  const before = runners.map(usage);
  await sleep(seconds * 1000);
  const result = new Map<string, IdleRate>();
  for (const [i, runner] of runners.entries()) {
    const from = before[i] as ReturnType<typeof usage>;
    const now = usage(runner);
    const elapsed = (now.at - from.at) / 1000;
    result.set(runner.contender.name, {
      envoy: (now.envoy - from.envoy) / elapsed,
      other: (now.other - from.other) / elapsed,
    });
  }
  return result;
}

function isBaseline(series: Series): boolean {
  return series.contender === BASELINE;
}
