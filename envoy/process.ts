// Runs one Envoy as a waited-for child: the binary itself, or `docker run` in the foreground. Nothing survives this
// process: children die with it, on a normal end as on a signal.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { dirname } from "node:path";
import type { Found } from "./binary.ts";

/** What a launcher gives back; the harness has a second one, by testcontainers. */
export interface RunningEnvoy {
  readonly runtime: "binary" | "docker";
  readonly pid: number | undefined;
  /** Settles when Envoy has ended, with what it ended. */
  readonly exited: Promise<string>;
  /** Undefined while it runs. */
  ended(): string | undefined;
  logs(): string[];
  /** Ends it: in order and, if that takes more than the grace, at once. */
  stop(graceMs?: number): Promise<void>;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
}

export interface RunOptions {
  configFile: string;
  /** Worker threads; default 1. */
  concurrency?: number;
  /** Files and folders Envoy reads and, with `writable`, writes; a container gets them under the same path. */
  reads?: readonly string[];
  writes?: readonly string[];
  /** Admin writes `address:port` here once it listens. */
  adminAddressFile?: string;
  logLevel?: string;
  extraArguments?: readonly string[];
  /** Receives each line of Envoy's log. */
  onLog?: (line: string) => void;
  environment?: Readonly<Record<string, string>>;
}

const MAX_LOG_LINES = 5000;
const DEFAULT_GRACE_MS = 5000;

/** Envoy's arguments; the same for the binary and for the container. */
export function envoyArguments(options: RunOptions): string[] {
  const args = ["-c", options.configFile, "--concurrency", String(options.concurrency ?? 1)];
  // Hot restart would make two Envoys of one machine talk to each other by shared memory.
  args.push("--disable-hot-restart", "--log-level", options.logLevel ?? "info");
  // Access log lines reach the file within 50 ms instead of 10 s.
  args.push("--file-flush-interval-msec", "50");
  if (options.adminAddressFile) args.push("--admin-address-path", options.adminAddressFile);
  args.push(...(options.extraArguments ?? []));
  return args;
}

/** Mount points for a container, each path where it is outside. */
export function mounts(options: RunOptions): { path: string; mode: "ro" | "rw" }[] {
  const result = new Map<string, "ro" | "rw">();
  for (const path of [options.configFile, ...(options.reads ?? [])]) result.set(path, "ro");
  for (const path of options.writes ?? []) result.set(path, "rw");
  if (options.adminAddressFile) result.set(dirname(options.adminAddressFile), "rw");
  return [...result].map(([path, mode]) => ({ path, mode }));
}

/** Both the image built here and the official one have it there. */
export const IMAGE_ENTRYPOINT = "/usr/local/bin/envoy";

export function runEnvoy(found: Found, options: RunOptions): RunningEnvoy {
  const env = { ...process.env, ...options.environment };
  if (found.kind === "binary") {
    return watch(
      spawn(found.path, envoyArguments(options), { env, stdio: ["ignore", "pipe", "pipe"] }),
      "binary",
      options,
    );
  }
  const name = `pilotfish-${process.pid}-${Math.random().toString(36).slice(2, 10)}`;
  // The pods listen on the host's loopback, and pods are picked by address: the container shares the host's network.
  const args = ["run", "--rm", "--name", name, "--network", "host", "--entrypoint", IMAGE_ENTRYPOINT];
  if (process.getuid && process.getgid) args.push("--user", `${process.getuid()}:${process.getgid()}`);
  for (const { path, mode } of mounts(options)) args.push("--volume", `${path}:${path}:${mode}`);
  for (const key of Object.keys(options.environment ?? {})) args.push("--env", key);
  args.push(found.image, ...envoyArguments(options));
  const child = spawn("docker", args, { env, stdio: ["ignore", "pipe", "pipe"] });
  return watch(child, "docker", options, () => {
    spawnSync("docker", ["kill", name], { stdio: "ignore", timeout: 10_000 });
  });
}

function watch(
  child: ChildProcess,
  runtime: "binary" | "docker",
  options: RunOptions,
  onKill?: () => void,
): RunningEnvoy {
  const log = new LogLines(options.onLog);
  child.stdout?.on("data", (chunk: Buffer) => log.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => log.push(chunk));

  const end = () => {
    onKill?.();
    child.kill("SIGKILL");
  };
  const forget = endWithProcess(end);
  let ended: string | undefined;
  const exited = new Promise<string>((done) => {
    const settle = (how: string) => {
      ended ??= how;
      forget();
      done(ended);
    };
    child.on("error", (error) => settle(error.message));
    child.on("close", (status, signal) => settle(signal ? `signal ${signal}` : `status ${status}`));
  });
  return {
    runtime,
    pid: child.pid,
    exited,
    ended: () => ended,
    logs: () => log.lines,
    async stop(graceMs = DEFAULT_GRACE_MS) {
      if (ended !== undefined) return;
      child.kill("SIGTERM");
      const timer = setTimeout(end, graceMs);
      await exited;
      clearTimeout(timer);
    },
    async kill() {
      if (ended !== undefined) return;
      end();
      await exited;
    },
  };
}

/** Keeps the last lines of a log that arrives in chunks. */
export class LogLines {
  readonly lines: string[] = [];
  readonly #onLine: ((line: string) => void) | undefined;
  #rest = "";

  constructor(onLine?: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer | string): void {
    const parts = (this.#rest + chunk.toString()).split("\n");
    this.#rest = parts.pop() ?? "";
    for (const line of parts) {
      this.lines.push(line);
      this.#onLine?.(line);
    }
    if (this.lines.length > MAX_LOG_LINES) this.lines.splice(0, this.lines.length - MAX_LOG_LINES);
  }
}

// ---- nothing survives this process ---------------------------------------------------------------------------------
const alive = new Set<() => void>();
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
let watching = false;
let othersHandleSignals = false;

/** A program with a shutdown of its own says so: then signals are left to it, and the end of the process is the net. */
export function leaveSignalsAlone(): void {
  othersHandleSignals = true;
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

/** Runs `end` when this process ends while it is still registered; returns how to take it back. */
export function endWithProcess(end: () => void): () => void {
  if (!watching) {
    watching = true;
    process.on("exit", endAll);
    if (!othersHandleSignals) for (const signal of SIGNALS) process.on(signal, onSignal);
  }
  alive.add(end);
  return () => alive.delete(end);
}

function endAll(): void {
  for (const end of alive) end();
  alive.clear();
}

function onSignal(signal: NodeJS.Signals): void {
  endAll();
  // Libraries that clean up at the end of the process wait for the last listener to go: the signal itself ends it.
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
