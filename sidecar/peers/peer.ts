// One peer: the sidecar of another cluster. Its view is requested every interval, and used with its true age. After
// `staleAfter` without a view, the peer's pods are not ready, and the filter moves their share to other places. With the next
// view they are ready again, and the filter gives the share back slowly (assembly/places/rooms.ts). A view is dropped after
// FORGET_MS.
import { Pool } from "undici";
import { SECRET_HEADER, VIEW_PATH } from "../../protocol/constants.ts";
import type { Clock } from "../clock.ts";
import type { Secrets } from "../credentials/secrets.ts";
import { type Answer, exchange, HttpFailure, toFailure } from "../http.ts";
import type { Log } from "../log.ts";
import type { Pod } from "../pod.ts";
import { gatewayPod, importedPod } from "./peer-pods.ts";
import { type OfferedPod, type OfferedSums, parseView } from "./view.ts";

interface PeerOptions {
  origin: string;
  /** The place of the peer's pods; undefined: the place that the view names. */
  place: string | undefined;
  mode: "pods" | "gateway";
  /** ip:port of the cluster's gateway; only with the mode gateway. */
  gateway: string | undefined;
  intervalMs: number;
  staleAfterMs: number;
  /** The secrets, which are tried one after the other. */
  secrets: Pick<Secrets, "inTurn">;
}

interface PeerParts {
  clock: Clock;
  log: Log;
  changed(): void;
  failed(origin: string): void;
  measured(place: string, ms: number): void;
}

const FORGET_MS = 300_000;
const MAX_BYTES = 16 << 20;
const TIMEOUT_MS = 2000;

type ViewContent = { pods: OfferedPod[] } | { sums: OfferedSums };

export class Peer {
  readonly options: PeerOptions;
  readonly #parts: PeerParts;
  readonly #pool: Pool;
  /** The secret that the peer accepted last. */
  #worked: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #view: { what: ViewContent; place: string; region: string | undefined; at: number } | undefined;
  #failing = false;
  #stale = false;
  #settled = false;

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
    return this.#settled;
  }

  get place(): string | undefined {
    return this.#view?.place ?? this.options.place;
  }

  get region(): string | undefined {
    return this.#view?.region;
  }

  /** Whether the view is missing, or too old to send requests by. */
  get stale(): boolean {
    return this.#view === undefined || this.#parts.clock.now() - this.#view.at > this.options.staleAfterMs;
  }

  /** Returns the peer's pods, or its gateway as one pod. */
  pods(): Pod[] {
    if (this.#view === undefined || this.#parts.clock.now() - this.#view.at > FORGET_MS) return [];
    const { what, place, at } = this.#view;
    const facts = { place, at, stale: this.stale };
    if ("pods" in what) return what.pods.map((pod) => importedPod(pod, facts));
    return [gatewayPod(what.sums, this.options.gateway as string, facts)];
  }

  async #ask(): Promise<void> {
    const { clock, changed, measured } = this.#parts;
    const started = clock.now();
    try {
      const { what, place, region } = await this.#requestView();
      if (this.#closed) return;
      const took = clock.now() - started;
      // The view left the peer half a round trip ago.
      this.#view = {
        what,
        place: this.options.place ?? place,
        region: region ?? undefined,
        at: clock.now() - took / 2,
      };
      measured(this.#view.place, took);
      this.#logChange(undefined);
      this.#settled = true;
      changed();
    } catch (error) {
      if (this.#closed) return;
      this.#logChange(toFailure(error));
    }
    if (this.stale !== this.#stale || !this.#settled) {
      this.#settled = true;
      this.#stale = this.stale;
      changed();
    }
    this.#timer = setTimeout(() => void this.#ask(), Math.max(0, this.options.intervalMs - (clock.now() - started)));
  }

  async #requestView(): Promise<{ what: ViewContent; place: string; region: string | null }> {
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

  /** Sends a request with the secret that worked last, then with the other secrets. */
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

  /** Counts each failure; logs each change between failing and working. */
  #logChange(failure: HttpFailure | undefined): void {
    const { log, failed } = this.#parts;
    const peer = this.options.origin;
    if (failure !== undefined) failed(peer);
    if ((failure !== undefined) === this.#failing && this.#view !== undefined) return;
    this.#failing = failure !== undefined;
    if (failure === undefined) log.info({ peer, place: this.place }, "view of the peer read");
    else log.warn({ peer, reason: failure.reason, error: failure.message }, "view of the peer not read: trying again");
  }
}
