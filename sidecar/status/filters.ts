// Reads back the snapshot that each filter uses, for the status page. It reads only while the page is open, on a connection
// of its own, so that no push waits for it.
import { Client } from "undici";
import { SECRET_HEADER } from "../../protocol/constants.ts";
import { exchange, toFailure } from "../http.ts";

export interface FilterTarget {
  origin: string;
  path: string;
  secret: string;
  /** How to connect, if TLS needs certificates that the system does not have. */
  connect?: Client.Options["connect"];
}

/** The part of a read-back that the page shows; protocol/README.md has the whole shape. */
interface FilterSeen {
  ageMs: number;
  stale: boolean;
  endpoints: ReadonlyArray<{ address: string; inFlight: number }>;
  metrics: Readonly<Record<string, number>>;
}

export type FilterState = FilterSeen | { error: string };

const FRESH_MS = 900;
const TIMEOUT_MS = 1000;
const MAX_BYTES = 4 << 20;

export class Filters {
  readonly #now: () => number;
  readonly #read = new Map<string, { at: number; state: Promise<FilterState> }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns a filter's state. Never rejects. Within FRESH_MS it returns the same state again, without a request. */
  state(target: FilterTarget): Promise<FilterState> {
    const now = this.#now();
    const known = this.#read.get(target.origin);
    if (known !== undefined && now - known.at < FRESH_MS) return known.state;
    const state = readBack(target);
    this.#read.set(target.origin, { at: now, state });
    return state;
  }
}

async function readBack({ origin, path, secret, connect }: FilterTarget): Promise<FilterState> {
  const client = new Client(origin, { connect: connect ?? { timeout: TIMEOUT_MS } });
  try {
    const headers = { [SECRET_HEADER]: secret };
    const answer = await exchange(client, { method: "GET", path, headers, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES });
    if (answer.status !== 200) return { error: `status ${answer.status}` };
    const seen = JSON.parse(answer.body.toString("utf8")) as FilterSeen;
    const endpoints = seen.endpoints.map(({ address, inFlight }) => ({ address, inFlight }));
    return { ageMs: seen.ageMs, stale: seen.stale, endpoints, metrics: seen.metrics ?? {} };
  } catch (error) {
    return { error: error instanceof SyntaxError ? "not a filter's answer" : toFailure(error).message };
  } finally {
    void client.destroy();
  }
}
