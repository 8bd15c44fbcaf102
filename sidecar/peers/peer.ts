// One sidecar of another cluster, asked every interval for its view. What it said last is used with its true age; from
// `staleAfter` on its pods are no longer ready, and the filter moves their share; when it answers again they are, and the filter
// gives the share back slowly (assembly/places/rooms.ts). What it said is forgotten after FORGET.
import { Pool } from "undici";
import { SECRET_HEADER, VIEW_PATH } from "../../protocol/constants.ts";
import type { Clock } from "../clock.ts";
import type { Secrets } from "../credentials/secrets.ts";
import type { EngineName } from "../engines/index.ts";
import { Health } from "../health.ts";
import { type Answer, exchange, HttpFailure, toFailure } from "../http.ts";
import type { Log } from "../log.ts";
import type { Pod } from "../pod.ts";
import { type OfferedPod, type OfferedSums, parseView } from "./view.ts";

export interface PeerOptions {
  origin: string;
  /** undefined: what the peer says. */
  place: string | undefined;
  mode: "pods" | "gateway";
  /** ip:port, with mode gateway. */
  gateway: string | undefined;
  intervalMs: number;
  staleAfterMs: number;
  /** Tried in turn. */
  secrets: Pick<Secrets, "inTurn">;
}

export interface PeerParts {
  clock: Clock;
  log: Log;
  changed(): void;
  failed(origin: string): void;
  measured(place: string, ms: number): void;
}

const FORGET_MS = 300_000;
const MAX_BYTES = 16 << 20;
const TIMEOUT_MS = 2000;

type Said = { pods: OfferedPod[] } | { sums: OfferedSums };

export class Peer {
  readonly options: PeerOptions;
  readonly #parts: PeerParts;
  readonly #pool: Pool;
  #worked: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #said: { what: Said; place: string; region: string | undefined; at: number } | undefined;
  #failing = false;
  #stale = false;
  #asked = false;

  constructor(options: PeerOptions, parts: PeerParts) {
    this.options = options;
    this.#parts = parts;
    this.#pool = new Pool(options.origin, { connections: 1, pipelining: 1, connect: { timeout: TIMEOUT_MS } });
  }

  start(): void {
    void this.#ask();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#pool.destroy();
  }

  get settled(): boolean {
    return this.#asked;
  }

  get place(): string | undefined {
    return this.#said?.place ?? this.options.place;
  }

  get region(): string | undefined {
    return this.#said?.region;
  }

  /** Whether what it said is too old to send requests by. */
  get stale(): boolean {
    return this.#said === undefined || this.#parts.clock.now() - this.#said.at > this.options.staleAfterMs;
  }

  /** Its pods, or the one gateway that stands for them. */
  pods(): Pod[] {
    if (this.#said === undefined || this.#parts.clock.now() - this.#said.at > FORGET_MS) return [];
    const { what, place, at } = this.#said;
    const stale = this.stale;
    if ("pods" in what) return what.pods.map((pod) => importedPod(pod, place, at, stale));
    return [gatewayPod(what.sums, this.options.gateway as string, place, at, stale)];
  }

  async #ask(): Promise<void> {
    const { clock, changed, measured } = this.#parts;
    const started = clock.now();
    try {
      const { what, place, region } = await this.#view();
      if (this.#closed) return;
      const took = clock.now() - started;
      // What it says is at least as old as half of the way.
      this.#said = {
        what,
        place: this.options.place ?? place,
        region: region ?? undefined,
        at: clock.now() - took / 2,
      };
      measured(this.#said.place, took);
      this.#report(undefined);
      this.#asked = true;
      changed();
    } catch (error) {
      if (this.#closed) return;
      this.#report(toFailure(error));
    }
    if (this.stale !== this.#stale || !this.#asked) {
      this.#asked = true;
      this.#stale = this.stale;
      changed();
    }
    this.#timer = setTimeout(() => void this.#ask(), Math.max(0, this.options.intervalMs - (clock.now() - started)));
  }

  async #view(): Promise<{ what: Said; place: string; region: string | null }> {
    const { mode } = this.options;
    const { status, body } = await this.#get(mode === "gateway" ? `${VIEW_PATH}?sums=1` : VIEW_PATH);
    if (status !== 200) throw new HttpFailure("status", `${VIEW_PATH}: status ${status}, expected 200`);
    if (mode === "pods") {
      const { pods, place, region } = parseView(body, "pods");
      return { what: { pods }, place, region };
    }
    const { sums, place, region } = parseView(body, "sums");
    return { what: { sums }, place, region };
  }

  /** With the secret that worked last, or the next one while secrets change. */
  async #get(path: string): Promise<Answer> {
    const { secrets, staleAfterMs } = this.options;
    let answer: Answer = { status: 401, body: Buffer.alloc(0) };
    for (const secret of secrets.inTurn(this.#worked)) {
      answer = await exchange(this.#pool, {
        method: "GET",
        path,
        headers: { [SECRET_HEADER]: secret },
        timeoutMs: Math.min(TIMEOUT_MS, staleAfterMs),
        maxBytes: MAX_BYTES,
      });
      if (answer.status !== 401) {
        this.#worked = secret;
        return answer;
      }
    }
    return answer;
  }

  /** Once for each change. */
  #report(failure: HttpFailure | undefined): void {
    const { log, failed } = this.#parts;
    const peer = this.options.origin;
    if (failure !== undefined) failed(peer);
    if ((failure !== undefined) === this.#failing && this.#said !== undefined) return;
    this.#failing = failure !== undefined;
    if (failure === undefined) log.info({ peer, place: this.place }, "the peer's view is read");
    else log.warn({ peer, reason: failure.reason, error: failure.message }, "the peer's view is not read");
  }
}

function health(ready: boolean): Health {
  const made = new Health(1);
  if (ready) {
    made.scraped();
    made.modelsRead();
  }
  return made;
}

function importedPod(pod: OfferedPod, place: string, at: number, stale: boolean): Pod {
  const { address, draining, asleep, of, waiting, running, kvUsage, kvBlocks, blockTokens, adapters } = pod;
  return {
    address,
    origin: `http://${address}`,
    engine: pod.engine as EngineName,
    place,
    cluster: { ready: pod.ready && !stale, draining, asleep, of },
    health: health(pod.ready && !stale),
    reading: {
      engine: pod.engine,
      waiting,
      running,
      kvUsage,
      asleep,
      kvBlocks,
      blockTokens,
      adapters,
      samples: 0,
      malformed: 0,
    },
    scrapedAt: pod.ageMs === null ? null : at - pod.ageMs,
    models: pod.models.map(([name, parent]) => ({ name, parent })),
  };
}

function gatewayPod(sums: OfferedSums, address: string, place: string, at: number, stale: boolean): Pod {
  const ready = sums.pods > 0 && !stale;
  const { waiting, running, kvUsage, of } = sums;
  return {
    address,
    origin: `http://${address}`,
    engine: "auto",
    place,
    gateway: sums.pods,
    cluster: { ready, draining: false, asleep: false, of },
    health: health(ready),
    reading: {
      engine: null,
      waiting,
      running,
      kvUsage,
      asleep: false,
      kvBlocks: null,
      blockTokens: null,
      adapters: null,
      samples: 0,
      malformed: 0,
    },
    scrapedAt: sums.ageMs === null ? null : at - sums.ageMs,
    models: sums.models.map(([name, parent]) => ({ name, parent })),
  };
}
