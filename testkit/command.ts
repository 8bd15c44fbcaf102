// Runs a command of a document or a compose file as a reader would: in the project's root, with the tests' secret.
import { type ChildProcess, spawn } from "node:child_process";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { endWithProcess } from "../envoy/process.ts";
import { SECRET_ENV } from "../protocol/constants.ts";
import { SECRET } from "./envoy/filter-envoy.ts";

export const ROOT = resolve(fileURLToPath(new URL("..", import.meta.url)));
/** Time in which pods and sidecars, which are processes of their own, must have started. */
export const STARTED_MS = 120_000;

export interface Running {
  text(): string;
  stop(): Promise<void>;
}

/** Starts a command line in a process group of its own, so that its children end with it. */
export function start(command: string): Running {
  const env: NodeJS.ProcessEnv = { ...process.env, [SECRET_ENV]: SECRET };
  env.PATH = `${join(ROOT, "node_modules/.bin")}${delimiter}${process.env.PATH}`;
  const child: ChildProcess = spawn("bash", ["-c", `exec ${command}`], {
    cwd: ROOT,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-20_000);
    });
  const ended = new Promise((done) => child.on("close", done));
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(-(child.pid as number), name);
    } catch {
      // The whole group has ended.
    }
  };
  const forget = endWithProcess(() => signal("SIGKILL"));
  const stop = async () => {
    signal("SIGTERM");
    const timer = setTimeout(() => signal("SIGKILL"), 10_000);
    await ended;
    clearTimeout(timer);
    forget();
  };
  return { text: () => text, stop };
}

/** Whether a process with this id runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
