// Runs an Envoy as a child: the binary, or `docker run` in the foreground. Children end with this process, on a normal end and on a
// signal.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { dirname } from "node:path";
import type { Found } from "./binary.ts";

/** A running Envoy. runEnvoy() starts one, and so does testkit/envoy/container.ts. */
export interface RunningEnvoy {
  readonly runtime: "binary" | "docker";
  readonly pid: number | undefined;
  /** Settles when Envoy has ended, with its status or signal. */
  readonly exited: Promise<string>;
  /** The status or signal; undefined while Envoy runs. */
  ended(): string | undefined;
  logs(): string[];
  /** Ends Envoy gracefully. Kills it after `graceMs`. */
  stop(graceMs?: number): Promise<void>;
  /** Kills Envoy with SIGKILL, like a crash. */
  kill(): Promise<void>;
}

export interface RunOptions {
  configFile: string;
  /** Worker threads; default 1. */
  concurrency?: number;
  /** Files and folders that Envoy reads or writes. A container gets them under the same path. */
  reads?: readonly string[];
  writes?: readonly string[];
  /** Envoy writes the admin's `address:port` into this file when it listens. */
  adminAddressFile?: string;
  logLevel?: string;
  extraArguments?: readonly string[];
  /** Receives each line of Envoy's log. */
  onLog?: (line: string) => void;
  environment?: Readonly<Record<string, string>>;
}

const MAX_LOG_LINES = 5000;
const DEFAULT_GRACE_MS = 5000;

/** Envoy's arguments, for the binary and for the container. */
export function envoyArguments(options: RunOptions): string[] {
  const args = ["-c", options.configFile, "--concurrency", String(options.concurrency ?? 1)];
  // With hot restart two Envoys on one machine would share memory.
  args.push("--disable-hot-restart", "--log-level", options.logLevel ?? "info");
  // Makes access log lines reach the file within 50 ms instead of 10 s.
  args.push("--file-flush-interval-msec", "50");
  if (options.adminAddressFile) args.push("--admin-address-path", options.adminAddressFile);
  args.push(...(options.extraArguments ?? []));
  return args;
}

/** Mounts of a container, each under the same path as outside. */
export function mounts(options: RunOptions): { path: string; mode: "ro" | "rw" }[] {
  const result = new Map<string, "ro" | "rw">();
  for (const path of [options.configFile, ...(options.reads ?? [])]) result.set(path, "ro");
  for (const path of options.writes ?? []) result.set(path, "rw");
  if (options.adminAddressFile) result.set(dirname(options.adminAddressFile), "rw");
  return [...result].map(([path, mode]) => ({ path, mode }));
}

/** Path of Envoy in the image built here and in the official image. */
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
  // Pods listen on the host's loopback and are picked by address, so the container shares the host's network.
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

/** For programs that handle signals themselves. Children then end only when the process ends. */
export function leaveSignalsAlone(): void {
  othersHandleSignals = true;
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

/** Runs `end` when this process ends. Returns a function that cancels the registration. */
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
  // Libraries may wait for the last listener before they end the process, so all listeners are removed and the signal is sent again.
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
