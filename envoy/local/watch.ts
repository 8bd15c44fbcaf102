// Reads the state of a local run: the filter's snapshot, its counters and the access log.
import { SECRET_HEADER, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { type AccessLine, AccessLog } from "./access.ts";
import type { LocalEnvoy } from "./envoy.ts";

/** The part of the read-back (protocol/README.md) that the table shows. */
interface SnapshotJson {
  ageMs: number;
  stale: boolean;
  endpoints: EndpointJson[];
  models: { name: string; kind: "base" | "adapter"; endpoints: string[] }[];
}

export interface EndpointJson {
  address: string;
  ready: boolean;
  draining: boolean;
  asleep: boolean;
  waiting: number | null;
  running: number | null;
  kvUsage: number | null;
  inFlight: number;
}

export interface Sight {
  /** Undefined while the filter has no snapshot. */
  snapshot: SnapshotJson | undefined;
  /** The filter's counters above zero, without their prefix. */
  counters: ReadonlyMap<string, number>;
  /** Picks of ended requests by address. */
  picks: ReadonlyMap<string, number>;
  last: readonly AccessLine[];
}

const TIMEOUT_MS = 2000;
const LOG_BYTES = 64 * 1024 * 1024;
const COUNTER = /pilotfish\.([a-z_.]+): (\d+)$/;

export class Watch {
  readonly #envoy: LocalEnvoy;
  readonly #secret: string;
  readonly #log: AccessLog;

  constructor(envoy: LocalEnvoy, secret: string) {
    this.#envoy = envoy;
    this.#secret = secret;
    this.#log = new AccessLog(envoy.accessLog);
  }

  async look(): Promise<Sight> {
    const [snapshot, counters] = await Promise.all([this.snapshot(), this.#counters(), this.#log.read()]);
    await this.#log.rotate(LOG_BYTES, async () => {
      await fetch(`${this.#envoy.admin}/reopen_logs`, { method: "POST", signal: AbortSignal.timeout(TIMEOUT_MS) });
    });
    const { picks, last } = this.#log;
    return { snapshot, counters, picks, last };
  }

  async snapshot(): Promise<SnapshotJson | undefined> {
    const headers = { [SECRET_HEADER]: this.#secret };
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`${this.#envoy.url}${SNAPSHOT_PATH}`, { headers, signal }).catch(() => undefined);
    const text = await response?.text().catch(() => undefined);
    return response?.status === 200 && text ? (JSON.parse(text) as SnapshotJson) : undefined;
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  async #counters(): Promise<Map<string, number>> {
    const counters = new Map<string, number>();
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`${this.#envoy.admin}/stats?filter=pilotfish`, { signal }).catch(() => undefined);
    for (const line of ((await response?.text().catch(() => "")) ?? "").split("\n")) {
      const [, name, value] = COUNTER.exec(line) ?? [];
      if (name && Number(value) > 0) counters.set(name, Number(value));
    }
    return counters;
  }
}
