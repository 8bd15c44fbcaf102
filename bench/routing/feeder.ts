// Runs the real sidecar in a process of its own.
import { parseConfig } from "../../sidecar/config/load.ts";
import { type Sidecar, startSidecar } from "../../sidecar/sidecar.ts";
import { serve } from "./child.ts";

export interface FeederAsks {
  /** A configuration of the sidecar. */
  start: { given: Record<string, unknown>; answer: null };
  stop: { given: null; answer: null };
}

let sidecar: Sidecar | undefined;

serve<FeederAsks>({
  async start(config) {
    sidecar = await startSidecar(parseConfig(config, {}));
    return null;
  },
  async stop() {
    await sidecar?.close();
    return null;
  },
});
