// Runs this program again in a network namespace of its own with only loopback, because peers bind all interfaces.

import { spawn, spawnSync } from "node:child_process";

const INSIDE = "PILOTFISH_BENCH_ISOLATED";

export function isIsolated(): boolean {
  return process.env[INSIDE] === "1";
}

/** The command prefix that creates a namespace; undefined if the system allows none. */
export function namespaceCommand(): string[] | undefined {
  for (const flags of [["--net"], ["--map-root-user", "--net"]]) {
    const command = ["unshare", ...flags, "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
    const tried = spawnSync(command[0] as string, [...command.slice(1), "true"], { stdio: "ignore" });
    if (tried.status === 0) return command;
  }
  return undefined;
}

/** Runs the same command line in the namespace. Resolves with its exit status. */
export function runIsolated(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn(command[0] as string, [...command.slice(1), ...self], {
    stdio: "inherit",
    env: { ...process.env, ...environment, [INSIDE]: "1" },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (status) => done(status ?? 1));
  });
}
