// Starts the peers that are ext_proc servers, which the benches compare with Pilotfish: BBR with the body scanner, EPP with the picks
// and the sidecar. Each runs without a cluster.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FakeApiServer } from "../kubernetes/fake-api-server.ts";
import { pod, pool } from "../kubernetes/objects.ts";
import { resourceOf } from "../kubernetes/resources.ts";
import { freePorts } from "../ports.ts";
import { BBR, EPP, type Peer } from "./go-peers.ts";
import { type RunningPeer, spawnPeer } from "./spawn-peer.ts";

interface PeerStart {
  /** Path of the binary. */
  path: string;
  /** Folder for the kubeconfig. */
  folder: string;
  /** URL of an API server. */
  server: string;
  /** Further arguments, which the other peer does not have. */
  args: readonly string[];
}

/** Peers listen on every interface, and no flag changes that. So the caller gives them a network of their own (isolate.ts). */
async function startPeer({ title, name }: Peer, { path, folder, server, args }: PeerStart): Promise<RunningPeer> {
  const kubeconfig = join(folder, `${name}-kubeconfig`);
  await writeFile(kubeconfig, kubeconfigOf(server));
  const [port, health, metrics] = (await freePorts(3)) as [number, number, number];
  const shared = [
    `--grpc-port=${port}`,
    `--grpc-health-port=${health}`,
    `--metrics-port=${metrics}`,
    "--metrics-endpoint-auth=false",
    "--secure-serving=false",
    "--tracing=false",
    "--enable-pprof=false",
  ];
  const env = { ...process.env, KUBECONFIG: kubeconfig, NAMESPACE: "default" };
  return spawnPeer({ title, argv: [path, ...shared, ...args], env, folder, port, waitMs: 30_000 });
}

/** BBR's plugin that reads bodies asks no API server, so BBR's kubeconfig names an address on which nothing listens. */
export function startBbr(path: string, folder: string): Promise<RunningPeer> {
  const plugin = '--plugin=body-field-to-header:model:{"fieldName":"model","headerName":"X-Gateway-Model-Name"}';
  return startPeer(BBR, { path, folder, server: "http://127.0.0.1:1", args: ["--streaming=true", plugin] });
}

interface EppStart {
  path: string;
  folder: string;
  /** `ip:port`. All have the same port, as in an InferencePool. */
  pods: readonly string[];
  /** `--refresh-metrics-interval`; undefined: EPP's default, 50 ms. */
  scrapeMs?: number | undefined;
  /** An EndpointPickerConfig; undefined: EPP's default plugins. */
  config?: string | undefined;
}

const POOL_NAME = "pool";
const APP = "simulated-pod";

/** EPP reads its InferencePool and pods from an API server, because version 1.5.0 does not start in its mode without a pool. */
export async function startEpp({ path, folder, pods, scrapeMs, config }: EppStart): Promise<RunningPeer> {
  const api = await servePods(pods);
  // The staleness limit must be longer than the scrape interval, or no scrape would be fresh.
  const staleMs = scrapeMs === undefined ? undefined : Math.max(2000, 3 * scrapeMs);
  const intervals = [`--refresh-metrics-interval=${scrapeMs}ms`, `--metrics-staleness-threshold=${staleMs}ms`];
  const plugins = config === undefined ? [] : [`--config-text=${config}`];
  const scrapes = scrapeMs === undefined ? [] : intervals;
  const args = ["--pool-namespace=default", `--pool-name=${POOL_NAME}`, ...scrapes, ...plugins];
  try {
    const peer = await startPeer(EPP, { path, folder, server: `http://127.0.0.1:${api.port}`, args });
    const stop = async () => {
      await peer.stop();
      await api.kill();
    };
    return { ...peer, stop };
  } catch (error) {
    await api.kill();
    throw error;
  }
}

/** An API server with these pods, all ready, and one pool of them. */
async function servePods(addresses: readonly string[]): Promise<FakeApiServer> {
  const ports = new Set(addresses.map((address) => Number(address.slice(address.lastIndexOf(":") + 1))));
  const [port] = ports;
  if (ports.size !== 1 || port === undefined)
    throw new RangeError(`pods: ${addresses.join(", ")} given, addresses with one port are expected`);
  const api = await new FakeApiServer().start();
  api.needsToken = false;
  const objects = addresses.map((address, i) => pod(`pod-${i}`, APP, address.slice(0, address.lastIndexOf(":"))));
  for (const object of [pool(POOL_NAME, APP, port), ...objects]) {
    api.installed.add(resourceOf(object));
    api.put(resourceOf(object), object);
  }
  return api;
}

function kubeconfigOf(server: string): string {
  return `apiVersion: v1
kind: Config
clusters: [{name: pods, cluster: {server: "${server}"}}]
users: [{name: peer, user: {}}]
contexts: [{name: pods, context: {cluster: pods, user: peer}}]
current-context: pods
`;
}
