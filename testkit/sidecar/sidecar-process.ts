// The built sidecar as a process of its own, for benches.
import { spawn } from "node:child_process";
import { endWithProcess } from "../../envoy/process.ts";

export interface SidecarProcess {
  pid: number;
  stop(): Promise<void>;
}

/** Starts a sidecar. `program`: the built main.js; `config`: the file of its configuration; `secret`: the secret of the filters. */
export function startSidecarProcess(program: string, config: string, secret: string): SidecarProcess {
  const child = spawn(process.execPath, [program, "--config", config], {
    env: { ...process.env, PILOTFISH_SECRET: secret },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const forget = endWithProcess(() => child.kill("SIGKILL"));
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return {
    pid: child.pid as number,
    async stop() {
      child.kill("SIGTERM");
      await ended;
      forget();
    },
  };
}
