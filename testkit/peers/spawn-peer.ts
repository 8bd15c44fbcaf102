// Runs a peer as a child that listens on a port.

import { type ChildProcess, spawn } from "node:child_process";
import { createConnection } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { endWithProcess, LogLines } from "../../envoy/process.ts";

class PeerError extends Error {
  override readonly name = "PeerError";
  readonly code = "PEER_START";
}

export interface RunningPeer {
  pid: number;
  /** Port on which the peer listens; 0 for a peer without one. */
  port: number;
  /** The last lines of both outputs. */
  logs(): string[];
  /** Kills the peer and its children. */
  stop(): Promise<void>;
}

interface PeerCommand {
  title: string;
  argv: readonly string[];
  env: NodeJS.ProcessEnv;
  /** Folder in which the peer runs. */
  folder: string;
  /** Address and port on which the peer will listen. Without a port the start is not awaited. */
  host?: string | undefined;
  port?: number | undefined;
  /** How long the peer may take until it listens. */
  waitMs: number;
}

/** Starts the peer in a process group of its own. Resolves when the peer listens, and throws PeerError when it does not. */
export async function spawnPeer(command: PeerCommand): Promise<RunningPeer> {
  const { title, argv, env, folder, host = "127.0.0.1", port, waitMs } = command;
  const [program, ...args] = argv as [string, ...string[]];
  const child = spawn(program, args, { env, cwd: folder, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const log = new LogLines();
  child.stdout.on("data", (chunk: Buffer) => log.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => log.push(chunk));
  child.on("error", (error) => log.push(`${error.message}\n`));
  const kill = () => killGroup(child);
  const forget = endWithProcess(kill);
  const ended = new Promise<void>((done) => child.once("close", () => done()));
  ended.then(forget);
  const stop = async () => {
    kill();
    await ended;
  };
  const until = Date.now() + waitMs;
  const logs = () => log.lines;
  while (Date.now() < until && !hasEnded(child)) {
    if (port === undefined || (await accepts(host, port)))
      return { pid: child.pid as number, port: port ?? 0, logs, stop };
    await sleep(100);
  }
  await stop();
  throw new PeerError(
    `${title} did not start${port === undefined ? "" : `, or did not listen on port ${port}`}; its last lines:\n${log.lines.slice(-15).join("\n")}`,
  );
}

/** The group outlives a peer that ended and left children. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The whole group has ended.
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection({ host, port });
    socket.once("connect", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => done(false));
  });
}
