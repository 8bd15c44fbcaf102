// The real sidecar in the test's process, and simulated pods that are fast enough for tests with thousands of requests.

import { parseConfig } from "../sidecar/config/load.ts";
import { type Sidecar, startSidecar } from "../sidecar/sidecar.ts";
import type { PodParams } from "../simulator/params.ts";
import { type Pod, type PodOptions, startPod } from "../simulator/pod.ts";
import { readBackFromAll, SECRET } from "./envoy/filter-envoy.ts";
import type { TestEnvoy } from "./envoy/test-envoy.ts";
import { until } from "./until.ts";

/** Scrapes cost nothing: tests scrape often, and with a cost their responses would wait for pages. */
const FREE_SCRAPES: Partial<PodParams> = { scrapeRequestMs: 0, scrapeByteMs: 0 };
/** Parameters of a pod whose step takes 1 ms, so that short responses end at once. */
export const FAST: Partial<PodParams> = {
  ...FREE_SCRAPES,
  ...{ stepBaseMs: 1, prefillTokenMs: 0, sequenceMs: 0, outputTokens: 2 },
};
/** Parameters of a pod that generates a token every 50 ms. */
export const SLOW: Partial<PodParams> = { ...FREE_SCRAPES, stepBaseMs: 50, prefillTokenMs: 0, sequenceMs: 0 };

export function fastPod(name: string, model: string, more: Partial<PodOptions> = {}): Promise<Pod> {
  return startPod({ name, models: [{ id: model }], ...more, params: { ...FAST, ...more.params } });
}

interface Fed {
  pods: readonly { url: string }[];
  envoys: readonly TestEnvoy[];
  /** Further keys of the sidecar's configuration. */
  more?: Record<string, unknown>;
}

export function feed({ pods, envoys, more = {} }: Fed): Promise<Sidecar> {
  const config = {
    endpoints: pods.map(({ url }) => url),
    push: { targets: envoys.map(({ url }) => url), secret: SECRET },
    listen: "127.0.0.1:0",
    log: { level: "silent" },
    ...more,
  };
  return startSidecar(parseConfig(config, {}));
}

/** Resolves when every worker has a fresh snapshot with these models. */
export async function known(envoy: TestEnvoy, ...models: string[]): Promise<void> {
  await until(`a snapshot with ${models.join(", ")}`, async () => {
    const answers = await readBackFromAll(envoy.url);
    return answers.every(({ status, json }) => {
      if (status !== 200 || json.stale) return false;
      const names: string[] = json.models.map(({ name }: { name: string }) => name);
      return models.every((model) => names.includes(model));
    });
  });
}
