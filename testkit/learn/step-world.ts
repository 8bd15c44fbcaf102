// A world in which a sidecar learns what engine steps cost: simulated engines under random load, which are scraped.
import type { ServerCosts } from "../../sidecar/learn/server-costs.ts";
import { StepFit } from "../../sidecar/learn/step-fit.ts";
import { StepWindows } from "../../sidecar/learn/step-windows.ts";
import { SimClock } from "../../simulator/clock.ts";
import { Engine } from "../../simulator/engine/engine.ts";
import { defaultParams, type PodParams } from "../../simulator/params.ts";
import { Random } from "../random.ts";
import { countersOf } from "./engine-counters.ts";

export interface StepWorld {
  params: Partial<PodParams>;
  /** Speed of each pod. */
  speeds: readonly number[];
  /** Requests a second for each pod of speed 1. */
  rate: number;
  /** Mean tokens of a prompt, and of an answer. */
  prompt: number;
  answer: number;
  scrapeMs?: number;
  /** Share of the time in which requests come; default 1. */
  active?: number;
  /** The pod's speed from this second on is half as high. */
  halvesAt?: number;
  seed?: number;
}

/** Runs the world for `seconds`. Returns what is learned of each pod. */
export function learnSteps(world: StepWorld, seconds: number): ServerCosts[] {
  const clock = new SimClock();
  const random = new Random(world.seed ?? 1);
  const fit = new StepFit();
  const { rate, prompt, answer, scrapeMs = 100, active = 1 } = world;
  const size = (mean: number) => Math.max(1, Math.round(mean * (0.2 + random.exponential(0.8))));
  const pods = world.speeds.map((speed, i) => {
    const pod = new Engine({ ...defaultParams(), noise: 0.05, ...world.params, speed }, clock, () => random.fraction());
    const windows = new StepWindows();
    const arrive = () => {
      if ((clock.now() / 10_000) % 1 < active) {
        const tokens = Math.min(12_000, size(prompt));
        const hashes = Array.from({ length: tokens >> 4 }, () => random.fraction());
        pod.submit({ promptTokens: tokens, hashes, outputTokens: size(answer) });
      }
      clock.after(random.exponential(1000 / (rate * speed)), arrive);
    };
    const scrape = () => {
      const requests = pod.stats.running + pod.stats.waiting;
      for (const each of windows.add({ at: clock.now(), requests, counters: countersOf(pod) }))
        fit.add(String(i), each);
      clock.after(scrapeMs * (0.9 + 0.2 * random.fraction()), scrape);
    };
    clock.after(random.exponential(1000 / rate), arrive);
    clock.after(scrapeMs * random.fraction(), scrape);
    return pod;
  });
  for (let second = 0; second < seconds; second++) {
    if (second === world.halvesAt) for (const pod of pods) pod.params.speed /= 2;
    clock.advance(1000);
    fit.solve();
  }
  return pods.map((_, i) => {
    const { prefill, step, sequence } = fit.costsOf(String(i));
    return {
      ...(prefill !== undefined && { prefillRate: 1 / prefill }),
      ...(step !== undefined && { stepSeconds: step }),
      ...(sequence !== undefined && { sequenceSeconds: sequence }),
    };
  });
}
