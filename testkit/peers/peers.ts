// Two programs of the Gateway API Inference Extension, which the benches compare with Pilotfish: BBR (body-based routing) with the
// body scanner, EPP (the endpoint picker) with the picks and the sidecar. Each is built once from its Go module into the cache
// folder, with the checksums of the go.sum in this folder. Each runs without a cluster and with its default configuration.
//
// Usage: tsx testkit/peers/peers.ts   (builds both and prints their paths)

import { type ChildProcess, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { endWithProcess, LogLines } from "../../envoy/process.ts";
import { cacheFolder, type Progress } from "../../envoy/wheel.ts";
import { buildGoProgram, printBuilt } from "../go/program.ts";
import { FakeApiServer } from "../kubernetes/fake-api-server.ts";
import { pod, pool } from "../kubernetes/objects.ts";
import { resourceOf } from "../kubernetes/resources.ts";
import { freePorts } from "../ports.ts";

export interface Peer {
  /** Name of the binary, of its Go package, and of the folder with go.mod and go.sum. */
  name: "bbr" | "epp";
  title: string;
  version: string;
}

export const BBR: Peer = { name: "bbr", title: "BBR", version: "1.5.0" };
export const EPP: Peer = { name: "epp", title: "EPP", version: "1.5.0" };

/** The path of the binary, which is built unless the cache has it. */
export function buildPeer(peer: Peer, progress?: Progress): Promise<string> {
  const source = fileURLToPath(new URL(`./${peer.name}/`, import.meta.url));
  const program = {
    title: `${peer.title} ${peer.version}`,
    path: join(cacheFolder(), "peers", `${peer.name}-${peer.version}-${process.arch}`, peer.name),
    oldestGo: "1.21",
    environment: { GOFLAGS: "-mod=readonly -trimpath -buildvcs=false" },
    prepare: (work: string) => {
      const main = `sigs.k8s.io/gateway-api-inference-extension/cmd/${peer.name}`;
      return ["build", "-C", source, "-v", "-o", join(work, peer.name), main];
    },
  };
  return buildGoProgram(program, progress ? { progress } : {});
}

class PeerError extends Error {
  override readonly name = "PeerError";
  readonly code = "PEER_START";
}

export interface RunningPeer {
  pid: number;
  /** Port of the ext_proc server. */
  port: number;
  stop(): Promise<void>;
}

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
  const child = spawn(path, [...shared, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const log = new LogLines();
  child.stdout.on("data", (chunk: Buffer) => log.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => log.push(chunk));
  const forget = endWithProcess(() => child.kill("SIGKILL"));
  const ended = new Promise<void>((done) => child.once("close", () => done()));
  ended.then(forget);
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  for (let i = 0; i < 300 && !hasEnded(child); i++) {
    if (await accepts(port)) return { pid: child.pid as number, port, stop };
    await sleep(100);
  }
  await stop();
  throw new PeerError(`${title} did not listen on port ${port}; its last lines:\n${log.lines.slice(-15).join("\n")}`);
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
}

const POOL_NAME = "pool";
const APP = "simulated-pod";

/** EPP reads its InferencePool and pods from an API server, because version 1.5.0 does not start in its mode without a pool. */
export async function startEpp({ path, folder, pods, scrapeMs }: EppStart): Promise<RunningPeer> {
  const api = await servePods(pods);
  // The staleness limit must be longer than the scrape interval, or no scrape would be fresh.
  const staleMs = scrapeMs === undefined ? undefined : Math.max(2000, 3 * scrapeMs);
  const intervals = [`--refresh-metrics-interval=${scrapeMs}ms`, `--metrics-staleness-threshold=${staleMs}ms`];
  const args = ["--pool-namespace=default", `--pool-name=${POOL_NAME}`, ...(scrapeMs === undefined ? [] : intervals)];
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

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => done(false));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await printBuilt(async () => `${await buildPeer(BBR)}\n${await buildPeer(EPP)}`);
