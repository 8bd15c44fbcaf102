// Peers that are built from their Go modules: once, into the cache folder, with the checksums that lie beside this file,
// and run as a child that ends with this process.

import { type ChildProcess, spawn } from "node:child_process";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { endWithProcess, LogLines } from "../../envoy/process.ts";
import { cacheFolder, type Progress } from "../../envoy/wheel.ts";

export class PeerError extends Error {
  readonly code: "PEER_NO_GO" | "PEER_BUILD" | "PEER_START";

  constructor(code: PeerError["code"], message: string) {
    super(message);
    this.name = "PeerError";
    this.code = code;
  }
}

export interface GoPeer {
  /** Of the binary, and of the folder here that holds go.mod and go.sum. */
  name: string;
  title: string;
  version: string;
  package: string;
}

export function peerPath(peer: GoPeer): string {
  return join(cacheFolder(), "peers", `${peer.name}-${peer.version}-${process.arch}`, peer.name);
}

/** The binary, built now unless it was before. */
export async function buildPeer(peer: GoPeer, progress: Progress): Promise<string> {
  const path = peerPath(peer);
  if (await exists(path)) return path;
  const go = await run("go", ["version"]).catch(() => {
    const what = `Go was not found on PATH; it builds ${peer.title} (https://go.dev/dl, 1.21 or newer)`;
    throw new PeerError("PEER_NO_GO", what);
  });
  const title = `${peer.title} ${peer.version}`;
  progress(`${title}: building with ${go.trim().replace("go version ", "")}, several minutes the first time`);
  await mkdir(join(path, ".."), { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  const started = Date.now();
  const folder = fileURLToPath(new URL(`./${peer.name}/`, import.meta.url));
  try {
    const args = ["build", "-C", folder, "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", unfinished];
    await run("go", [...args, peer.package], progress);
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
  progress(`${title}: built in ${Math.round((Date.now() - started) / 1000)} s`);
  return path;
}

export interface RunningPeer {
  pid: number;
  port: number;
  stop(): Promise<void>;
}

export interface PeerStart {
  title: string;
  path: string;
  args: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** Where it listens when it is ready. */
  port: number;
}

/** Peers bind every interface and have no flag for another: the caller sees to a network of its own. */
export async function startPeer({ title, path, args, environment, port }: PeerStart): Promise<RunningPeer> {
  const child = spawn(path, args, { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
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
    if (await accepts(port)) return { pid: child.pid as number, port, stop };
    await sleep(100);
  }
  await stop();
  throw new PeerError(
    "PEER_START",
    `${title} did not listen on port ${port}; its last words:\n${log.lines.slice(-15).join("\n")}`,
  );
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
