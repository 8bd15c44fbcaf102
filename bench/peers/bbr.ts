// BBR (body-based routing of the Gateway API Inference Extension), the peer of the body bench: built once from its Go
// module into the cache folder, with the checksums of bbr/go.sum, and run without a cluster.
// `tsx bench/peers/bbr.ts` builds it and prints the path; `make peers` does just that.

import { type ChildProcess, spawn } from "node:child_process";
import { access, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { endWithProcess, LogLines } from "../../envoy/process.ts";
import { cacheFolder, type Progress, progressToStderr } from "../../envoy/wheel.ts";

export const BBR_VERSION = "1.5.0";
const PACKAGE = "sigs.k8s.io/gateway-api-inference-extension/cmd/bbr";
const MODULE_FOLDER = fileURLToPath(new URL("./bbr/", import.meta.url));

export class PeerError extends Error {
  readonly code: "PEER_NO_GO" | "PEER_BUILD" | "PEER_START";

  constructor(code: PeerError["code"], message: string) {
    super(message);
    this.name = "PeerError";
    this.code = code;
  }
}

export function bbrPath(): string {
  return join(cacheFolder(), "peers", `bbr-${BBR_VERSION}-${process.arch}`, "bbr");
}

/** The binary, built now unless it was before. */
export async function buildBbr(progress: Progress = progressToStderr): Promise<string> {
  const path = bbrPath();
  if (await exists(path)) return path;
  const go = await run("go", ["version"]).catch(() => {
    throw new PeerError("PEER_NO_GO", "Go was not found on PATH; it builds BBR (https://go.dev/dl, 1.21 or newer)");
  });
  progress(`BBR ${BBR_VERSION}: building with ${go.trim().replace("go version ", "")}, several minutes the first time`);
  await mkdir(join(path, ".."), { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  const started = Date.now();
  try {
    const args = ["build", "-C", MODULE_FOLDER, "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", unfinished];
    await run("go", [...args, PACKAGE], progress);
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
  progress(`BBR ${BBR_VERSION}: built in ${Math.round((Date.now() - started) / 1000)} s`);
  return path;
}

export interface RunningBbr {
  pid: number;
  port: number;
  stop(): Promise<void>;
}

/** BBR binds every interface and has no flag for another: the caller sees to a network of its own. */
export async function startBbr(path: string, folder: string): Promise<RunningBbr> {
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, KUBECONFIG);
  const [port, health, metrics] = await freePorts(3);
  const args = [
    `--grpc-port=${port}`,
    `--grpc-health-port=${health}`,
    `--metrics-port=${metrics}`,
    "--metrics-endpoint-auth=false",
    "--secure-serving=false",
    "--tracing=false",
    "--enable-pprof=false",
    "--streaming=true",
    '--plugin=body-field-to-header:model:{"fieldName":"model","headerName":"X-Gateway-Model-Name"}',
  ];
  const env = { ...process.env, KUBECONFIG: kubeconfig, NAMESPACE: "default" };
  const child = spawn(path, args, { env, stdio: ["ignore", "pipe", "pipe"] });
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
  for (let i = 0; i < 300; i++) {
    if (hasEnded(child)) break;
    if (await accepts(port as number)) return { pid: child.pid as number, port: port as number, stop };
    await sleep(100);
  }
  await stop();
  throw new PeerError(
    "PEER_START",
    `BBR did not listen on port ${port}; its last words:\n${log.lines.slice(-15).join("\n")}`,
  );
}

/** It parses, and nothing is there: the plugin that reads bodies asks no API server. */
const KUBECONFIG = `apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
`;

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((done, fail) => {
          server.once("error", fail);
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            done(typeof address === "object" && address ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
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

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Standard output of a command; its other words go to `progress` line by line. */
function run(command: string, args: readonly string[], progress?: Progress): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    const forget = endWithProcess(() => child.kill("SIGKILL"));
    const log = new LogLines(progress && ((line) => progress(`  ${line}`)));
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => log.push(chunk));
    child.once("error", fail);
    child.once("close", (status) => {
      forget();
      if (status === 0) return done(output);
      const words = log.lines.slice(-15).join("\n");
      fail(new PeerError("PEER_BUILD", `${command} ${args.join(" ")} ended with ${status}:\n${words}`));
    });
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    console.log(await buildBbr());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
