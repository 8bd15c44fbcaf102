// Kills an Envoy again and again while a bench runs.
import { setTimeout as sleep } from "node:timers/promises";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";

interface Restarted {
  /** What was counted before the restarts, in all. */
  counted: number;
  /** For each restart, ms from the kill until the Envoy was ready again. */
  awayMs: number[];
}

export interface Restarts {
  /** Ends the restarts. */
  stop(): Promise<Restarted>;
}

/**
 * Kills the Envoy every `everyMs`, as a crash does, and starts it again on its ports. `count` is called before each kill, because counters die
 * with the process.
 */
export function restartEvery(
  envoy: Pick<TestEnvoy, "kill" | "start">,
  everyMs: number,
  count: () => Promise<number>,
): Restarts {
  const stopped = new AbortController();
  const done: Restarted = { counted: 0, awayMs: [] };
  const began = performance.now();
  const run = async () => {
    for (;;) {
      const due = began + (done.awayMs.length + 1) * everyMs;
      await sleep(Math.max(0, due - performance.now()), undefined, { signal: stopped.signal }).catch(() => undefined);
      if (stopped.signal.aborted) return;
      done.counted += await count();
      const killed = performance.now();
      await envoy.kill();
      await envoy.start();
      done.awayMs.push(performance.now() - killed);
    }
  };
  const running = run();
  // A failure is reported by stop().
  running.catch(() => undefined);
  return {
    async stop() {
      stopped.abort();
      await running;
      return done;
    },
  };
}
