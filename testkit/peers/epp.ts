// EPP (the endpoint picker of the Gateway API Inference Extension), the peer of the routing bench: built once from its Go
// module into the cache folder, with the checksums of epp/go.sum. It asks a small API server for its InferencePool and pods
// (its standalone mode, without a pool, does not start in 1.5.0). Its configuration is what it ships with.
// `tsx testkit/peers/epp.ts` builds it and prints the path.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Progress, progressToStderr } from "../../envoy/wheel.ts";
import { freePorts } from "../ports.ts";
import { buildPeer, type GoPeer, peerPath, type RunningPeer, startPeer } from "./go.ts";
import { POOL_NAME, servePods } from "./pods-api.ts";

export const EPP_VERSION = "1.5.0";
const EPP: GoPeer = {
  name: "epp",
  title: "EPP",
  version: EPP_VERSION,
  package: "sigs.k8s.io/gateway-api-inference-extension/cmd/epp",
};

export function eppPath(): string {
  return peerPath(EPP);
}

/** The binary, built now unless it was before. */
export function buildEpp(progress: Progress = progressToStderr): Promise<string> {
  return buildPeer(EPP, progress);
}

export interface EppStart {
  path: string;
  /** For its kubeconfig. */
  folder: string;
  /** `ip:port`; the port is the same for all, as in an InferencePool. */
  pods: readonly string[];
  /** Its `--refresh-metrics-interval`; undefined: its own, 50 ms. */
  scrapeMs?: number | undefined;
}

/** EPP binds every interface and has no flag for another: the caller sees to a network of its own. */
export async function startEpp({ path, folder, pods, scrapeMs }: EppStart): Promise<RunningPeer> {
  const ports = new Set(pods.map((pod) => pod.slice(pod.lastIndexOf(":") + 1)));
  if (ports.size !== 1) throw new RangeError(`pods: ${pods.join(", ")} given, addresses with one port are expected`);
  const api = await servePods(
    pods.map((pod) => pod.slice(0, pod.lastIndexOf(":"))),
    Number([...ports][0]),
  );
  const kubeconfig = join(folder, "epp-kubeconfig");
  await writeFile(kubeconfig, kubeconfigOf(api.url));
  const [port, health, metrics] = (await freePorts(3)) as [number, number, number];
  const args = [
    `--grpc-port=${port}`,
    `--grpc-health-port=${health}`,
    `--metrics-port=${metrics}`,
    "--metrics-endpoint-auth=false",
    "--secure-serving=false",
    "--tracing=false",
    "--enable-pprof=false",
    "--pool-namespace=default",
    `--pool-name=${POOL_NAME}`,
    // A scrape that is due less often than its staleness limit would never be fresh.
    ...(scrapeMs === undefined
      ? []
      : [
          `--refresh-metrics-interval=${scrapeMs}ms`,
          `--metrics-staleness-threshold=${Math.max(2000, 3 * scrapeMs)}ms`,
        ]),
  ];
  try {
    const peer = await startPeer({ title: "EPP", path, args, environment: { KUBECONFIG: kubeconfig }, port });
    const stop = async () => {
      await peer.stop();
      await api.close();
    };
    return { ...peer, stop };
  } catch (error) {
    await api.close();
    throw error;
  }
}

function kubeconfigOf(server: string): string {
  return `apiVersion: v1
kind: Config
clusters: [{name: pods, cluster: {server: "${server}"}}]
users: [{name: nobody, user: {}}]
contexts: [{name: pods, context: {cluster: pods, user: nobody}}]
current-context: pods
`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    console.log(await buildEpp());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
