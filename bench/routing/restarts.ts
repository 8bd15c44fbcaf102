// Kills an Envoy again and again while a bench runs.
import { setTimeout as sleep } from "node:timers/promises";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";

export interface Restarts {
  /** Ends the restarts. Returns how many there were, and what was counted before each of them. */
  stop(): Promise<{ count: number; counted: number }>;
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
  const done = { count: 0, counted: 0 };
  const began = performance.now();
  const run = async () => {
    for (;;) {
      const due = began + (done.count + 1) * everyMs;
      await sleep(Math.max(0, due - performance.now()), undefined, { signal: stopped.signal }).catch(() => undefined);
      if (stopped.signal.aborted) return;
      done.counted += await count();
      await envoy.kill();
      await envoy.start();
      done.count++;
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
