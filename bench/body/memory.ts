// Measures memory with many large bodies at once. Every connection sends its body except for the last byte, so that Envoy buffers
// all bodies. Then each connection sends its last byte. Each run has an Envoy of its own, because resident memory rarely shrinks.

import { setTimeout as sleep } from "node:timers/promises";
import { processMaps, residentMemory, wasmMemories } from "../../testkit/cpu.ts";
import { Connection, type Prepared } from "./client.ts";
import type { Runner } from "./setup.ts";

export interface MemoryRow {
  contender: string;
  bodies: number;
  bodyBytes: number;
  beforeBytes: number;
  heldBytes: number;
  afterBytes: number;
  peakBytes: number;
  /** Memory of the process beside Envoy; 0 without such a process. */
  otherPeakBytes: number;
  /** Linear memory of each Wasm VM in the process in bytes, largest first. */
  wasmBytes: number[];
  /** Number of answers by status; "closed" if the connection ended without an answer. */
  answers: Readonly<Record<string, number>>;
}

const SETTLE_MS = 300;

export async function measureMemory(
  runner: Runner,
  small: Prepared,
  large: readonly Prepared[],
  bodyBytes: number,
  count: number,
): Promise<MemoryRow> {
  const connections = await Promise.all(Array.from({ length: count }, () => Connection.open(runner.envoy.port)));
  const bodies = connections.map((_, i) => large[i % large.length] as Prepared);
  try {
    for (const connection of connections) await connection.send(small.bytes);
    const before = residentMemory(runner.pid);
    const answers = connections.map((connection) => connection.answer().catch(() => undefined));
    const writes = connections.map((connection, i) => {
      const { bytes } = bodies[i] as Prepared;
      return connection.write(bytes.subarray(0, -1)).catch(() => undefined);
    });
    await Promise.all(writes);
    await sleep(SETTLE_MS);
    const held = residentMemory(runner.pid);
    for (const [i, connection] of connections.entries()) {
      void connection.write((bodies[i] as Prepared).bytes.subarray(-1)).catch(() => undefined);
    }
    const settled = await Promise.all(answers);
    await sleep(SETTLE_MS);
    const after = residentMemory(runner.pid);
    return {
      contender: runner.contender.name,
      bodies: count,
      bodyBytes,
      beforeBytes: before.nowBytes,
      heldBytes: held.nowBytes,
      afterBytes: after.nowBytes,
      peakBytes: after.peakBytes,
      otherPeakBytes: runner.otherPid === undefined ? 0 : residentMemory(runner.otherPid).peakBytes,
      wasmBytes: wasmMemories(processMaps(runner.pid)),
      answers: tally(settled.map((answer) => (answer ? String(answer.status) : "closed"))),
    };
  } finally {
    for (const connection of connections) connection.close();
  }
}

function tally(values: readonly string[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const value of values) result[value] = (result[value] ?? 0) + 1;
  return result;
}
