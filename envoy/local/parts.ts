// Starts pods and sidecar as processes, each with a log of its own.
import { type ChildProcess, fork } from "node:child_process";
import { open, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { endWithProcess } from "../process.ts";
import type { Order, Reply } from "./child.ts";
import { RunError } from "./run-error.ts";

export interface Part {
  name: string;
  url: string;
  pid: number;
  log: string;
  /** Settles when the process has ended, with its status or signal. */
  ended: Promise<string>;
  stop(): Promise<void>;
}

const ENTRY = fileURLToPath(new URL("./child.ts", import.meta.url));
const GRACE_MS = 2000;
const START_MS = 20_000;

export async function startPart(name: string, log: string, order: Order): Promise<Part> {
  const output = await open(log, "w");
  // fork passes on execArgv, which has the loader for TypeScript.
  const child = fork(ENTRY, [], { stdio: ["ignore", output.fd, output.fd, "ipc"] });
  const forget = endWithProcess(() => child.kill("SIGKILL"));
  const ended = new Promise<string>((done) => {
    child.once("error", (error) => done(error.message));
    child.once("exit", (status, signal) => done(signal ? `signal ${signal}` : `status ${status}`));
  });
  void ended.then(forget);
  await output.close();
  const stop = () => end(child, ended);

  const reply = await answer(child, ended, order);
  if ("error" in reply) {
    await stop();
    const last = (await readFile(log, "utf8")).trim().split("\n").slice(-10).filter(Boolean);
    throw new RunError(`${name} did not start: ${reply.error}`, undefined, last);
  }
  return { name, url: reply.url, pid: child.pid ?? 0, log, ended, stop };
}

function answer(child: ChildProcess, ended: Promise<string>, order: Order): Promise<Reply> {
  return new Promise((done) => {
    const timer = setTimeout(() => done({ error: `no answer within ${START_MS / 1000} s` }), START_MS);
    const settle = (reply: Reply) => {
      clearTimeout(timer);
      done(reply);
    };
    child.once("message", (reply: Reply) => settle(reply));
    void ended.then((how) => settle({ error: `its process ended with ${how}` }));
    child.send(order, (error) => error && settle({ error: error.message }));
  });
}

async function end(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  await ended;
  clearTimeout(timer);
}
