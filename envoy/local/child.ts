// Runs a simulated pod or the sidecar in a process of its own. The process gets its order from its parent process, replies with its
// URL, and ends when the parent disconnects or ends.

import { parseConfig } from "../../sidecar/config/load.ts";
import { startSidecar } from "../../sidecar/sidecar.ts";
import { type PodOptions, startPod } from "../../simulator/pod.ts";

export type Order =
  | { kind: "pod"; options: PodOptions }
  /** A configuration as in YAML. It contains the secret, which must not be on a command line. */
  | { kind: "sidecar"; config: unknown };

export type Reply = { url: string } | { error: string };

// Ctrl-C in a terminal reaches every process of the run. Children ignore it, because the starting process ends them in order.
process.on("SIGINT", () => {});
process.once("disconnect", () => process.exit(0));
process.once("message", async (order: Order) => {
  let reply: Reply;
  try {
    const { url } =
      order.kind === "pod" ? await startPod(order.options) : await startSidecar(parseConfig(order.config, {}));
    reply = { url };
  } catch (error) {
    reply = { error: (error as Error).message };
  }
  process.send?.(reply);
});
