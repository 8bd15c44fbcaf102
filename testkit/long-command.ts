// Runs a command that takes minutes, such as a build, and reports its progress.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { endWithProcess } from "../envoy/process.ts";
import type { Progress } from "../envoy/wheel.ts";

interface LongCommand {
  /** Name for the progress lines. */
  title: string;
  argv: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  progress: Progress;
}

interface Ended {
  /** The exit status; null after a signal. 127: the program does not exist. */
  status: number | null;
  /** The last lines of both outputs, at most 20. */
  lines: string[];
}

const KEPT_LINES = 20;
const REPORT_MS = 10_000;
/** Characters of the last line in a progress line. */
const SHOWN = 100;

/** Runs the command at low priority, because a build uses all cores for minutes. Reports the last line every ten seconds. */
export function longCommand({ title, argv, cwd, env, progress }: LongCommand): Promise<Ended> {
  const began = Date.now();
  const child = spawn("nice", ["-n", "10", ...argv], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const forget = endWithProcess(() => child.kill("SIGKILL"));
  let count = 0;
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      count++;
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
    });
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - began) / 1000);
    progress(`  ${title}: ${count} lines, ${seconds} s, ${(lines.at(-1) ?? "").slice(0, SHOWN)}`);
  }, REPORT_MS);
  return new Promise((done) => {
    const end = (status: number | null) => {
      clearInterval(timer);
      forget();
      done({ status, lines });
    };
    child.once("error", () => end(127));
    child.once("close", end);
  });
}
