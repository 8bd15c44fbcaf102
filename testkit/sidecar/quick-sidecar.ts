// The real sidecar in the test's process, with intervals that are short enough for tests.
import type { SnapshotView } from "../../protocol/snapshot.ts";
import { parseConfig } from "../../sidecar/config/load.ts";
import { createLog } from "../../sidecar/log.ts";
import { type Sidecar, type SidecarParts, startSidecar } from "../../sidecar/sidecar.ts";
import { SECRET } from "./fake-filter.ts";

export interface Closer {
  after(close: () => Promise<void>): void;
}

interface Quick {
  endpoints?: readonly string[];
  targets: readonly string[];
  more?: Record<string, unknown>;
  parts?: SidecarParts;
}

/** How long a quick sidecar waits for a response. */
export const TIMEOUT_MS = 2000;

/** `push` with short times, for a test that sets further keys. */
export const QUICK_PUSH = {
  interval: "10ms",
  heartbeat: "100ms",
  timeout: `${TIMEOUT_MS}ms`,
  minBackoff: "10ms",
  maxBackoff: "50ms",
};

/** Starts a sidecar with short intervals and without a log, on a free port. It ends after the test. */
export async function quickSidecar(
  test: Closer,
  { endpoints = [], targets, more = {}, parts }: Quick,
): Promise<Sidecar> {
  const input = {
    endpoints,
    scrape: {
      interval: "20ms",
      maxInterval: "20ms",
      timeout: `${TIMEOUT_MS}ms`,
      maxBackoff: "100ms",
      maxBytes: "256KiB",
    },
    push: { ...QUICK_PUSH, targets },
    listen: "127.0.0.1:0",
    ...more,
  };
  const sidecar = await startSidecar(parseConfig(input, { PILOTFISH_SECRET: SECRET }), {
    log: createLog("silent"),
    ...parts,
  });
  test.after(() => sidecar.close());
  return sidecar;
}

export const endpointOf = (view: SnapshotView | undefined, address: string) =>
  view?.endpoints.find((endpoint) => endpoint.address === address);
