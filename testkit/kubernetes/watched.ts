// A fake API server, and a source of the sidecar that watches it.

import { type KubernetesOptions, KubernetesSource } from "../../sidecar/discover/kubernetes.ts";
import type { PodSource } from "../../sidecar/discover/pod-source.ts";
import { apiClient } from "../../sidecar/kubernetes/api-client.ts";
import type { WatchTimes } from "../../sidecar/kubernetes/watch.ts";
import { createLog, type Log } from "../../sidecar/log.ts";
import type { PodAddress } from "../../sidecar/pod.ts";
import type { Closer } from "../sidecar/quick-sidecar.ts";
import { FakeApiServer, TOKEN } from "./fake-api-server.ts";

export const PODS = "api/v1/pods";
export const POOLS = "apis/inference.networking.k8s.io/v1/inferencepools";
export const ALPHA = "apis/inference.networking.x-k8s.io/v1alpha2";
export const SLICES = "apis/discovery.k8s.io/v1/endpointslices";
export const CONFIG_MAPS = "api/v1/configmaps";

export const TIMES: WatchTimes = { watchMs: 60_000, silenceMs: 5000, retryMinMs: 5, retryMaxMs: 20, absentMs: 20 };

/** A server with pods, pools, slices and config maps, and without the CRDs of the alpha group. */
export async function startServer(t: Closer): Promise<FakeApiServer> {
  const server = await new FakeApiServer().start();
  for (const resource of [PODS, POOLS, SLICES, CONFIG_MAPS]) server.installed.add(resource);
  t.after(() => server.kill());
  return server;
}

interface Watched {
  source: PodSource;
  /** The pods that the source reported last; undefined before its first report. */
  pods(): readonly PodAddress[] | undefined;
  addresses(): string[] | undefined;
  reports(): number;
  /** Details of the warnings that the source logged. */
  lines: Array<Record<string, unknown>>;
}

export function watchCluster(t: Closer, server: FakeApiServer, more: Partial<KubernetesOptions> = {}): Watched {
  let pods: readonly PodAddress[] | undefined;
  let reports = 0;
  const lines: Watched["lines"] = [];
  const warn = (detail: Record<string, unknown>) => void lines.push(detail);
  const log = Object.assign(createLog("silent"), { warn }) as unknown as Log;
  const credentials = {
    getCurrentCluster: () => ({ server: `http://127.0.0.1:${server.port}` }),
    async applyToHTTPSOptions(options: { headers?: unknown }) {
      options.headers = { authorization: `Bearer ${TOKEN}` };
    },
  };
  const source = new KubernetesSource(
    { namespaces: [], pools: [], services: [], engine: "vllm", times: TIMES, ...more },
    {
      log,
      failed: () => {},
      random: () => 0.5,
      access: async () => ({ client: apiClient(credentials), server: "test", namespace: "default" }),
    },
  );
  source.start((found) => {
    pods = found;
    reports++;
  });
  t.after(async () => source.close());
  const addresses = () => pods?.map(({ address }) => address);
  return { source, pods: () => pods, addresses, reports: () => reports, lines };
}
