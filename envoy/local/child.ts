// One part of a local run in a process of its own: a simulated pod or the sidecar. It takes its order from the process
// that started it, answers where it listens, and ends when that process lets go of it or is gone.

import { parseConfig } from "../../sidecar/config/load.ts";
import { startSidecar } from "../../sidecar/sidecar.ts";
import { type PodOptions, startPod } from "../../simulator/pod.ts";

export type Order =
  | { kind: "pod"; options: PodOptions }
  /** A configuration as it stands in YAML. It holds the secret, which no command line shows. */
  | { kind: "sidecar"; config: unknown };

export type Reply = { url: string } | { error: string };

// Ctrl-C in a terminal reaches every process of the run: the one that started them ends them in order.
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
