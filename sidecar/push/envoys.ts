// The Envoys that snapshots go to, and those whose requests in flight are asked for, as they come and go. Each has a state
// of its own. What one of them reports makes the others due: with several Envoys each of them hears of the rest's traffic
// within two intervals (ARCHITECTURE.md, "What Envoys share").
import { buildConnector } from "undici";
import type { TrafficReport } from "../../protocol/traffic-report.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/schema.ts";
import type { Access } from "../credentials/access.ts";
import type { Secrets } from "../credentials/secrets.ts";
import type { Log } from "../log.ts";
import type { SnapshotSource } from "../snapshot/source.ts";
import { type Connect, Envoy } from "./envoy.ts";
import { type EnvoySource, envoySources, type FindParts } from "./find.ts";
import { Reader } from "./reader.ts";
import { Reports } from "./reports.ts";
import { Target, type TargetParts } from "./target.ts";

interface EnvoysParts extends FindParts {
  snapshots: SnapshotSource;
  secrets: Secrets;
  /** Certificates of the connections to Envoys; closed with this. */
  certificates: Access;
  clock: Clock;
  log: Log;
  pushed: TargetParts["pushed"];
}

interface Known {
  envoy: Envoy;
  reader: Reader | undefined;
  target: Target | undefined;
}

/** Of a sidecar's reports, all Envoys together; each Envoy is asked by as many sidecars as there are. */
const READ_SPACING_MS = 5;

export class Envoys {
  readonly #config: Config["push"];
  readonly #parts: EnvoysParts;
  readonly #reports: Reports;
  readonly #access: Access;
  readonly #connect: Connect;
  readonly #sources: Array<{ source: EnvoySource; pushed: boolean; origins: readonly string[] }>;
  readonly #known = new Map<string, Known>();
  #pushing = false;
  #closed = false;

  constructor(config: Config["push"], parts: EnvoysParts) {
    this.#config = config;
    this.#parts = parts;
    // A reload begins anew under the same source: by the clock, its records' numbers are above those before. Of 48 bits.
    const first = Number(parts.clock.epochMicros() / 10n);
    this.#reports = new Reports(() => parts.clock.now(), first);
    this.#access = parts.certificates;
    this.#connect = (options, callback) => {
      // Made for each connection: it is to have the newest certificates.
      const { serverName } = config.tls;
      const secureContext = this.#access.context;
      const named = serverName === undefined ? {} : { servername: serverName };
      buildConnector({ secureContext, ...named, timeout: config.timeout })(options, callback);
    };
    const of = (places: Parameters<typeof envoySources>[0], pushed: boolean) =>
      envoySources(places, parts).map((source) => ({ source, pushed, origins: [] as readonly string[] }));
    this.#sources = [...of(config, true), ...of(config.peers, false)];
    for (const each of this.#sources) {
      each.source.start((origins) => {
        each.origins = origins;
        if (!this.#closed) this.#follow();
      });
    }
  }

  get targets(): readonly Target[] {
    return [...this.#known.values()].flatMap(({ target }) => target ?? []);
  }

  /** The secret that an Envoy takes, and how to connect to it; for read-backs. */
  accessTo(origin: string): { secret: string; connect: Connect } {
    return { secret: this.#known.get(origin)?.envoy.secret ?? "", connect: this.#connect };
  }

  /** Requests in flight that each Envoy told last. */
  get inFlight(): ReadonlyMap<string, number> {
    return this.#reports.inFlight;
  }

  /** There is something to push from now on. */
  start(): void {
    this.#pushing = true;
    for (const target of this.targets) target.start();
  }

  /** The snapshot would say something else now. */
  changed(): void {
    if (this.#pushing) for (const target of this.targets) target.changed();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { source } of this.#sources) source.close();
    this.#access.close();
    await Promise.all([...this.#known.keys()].map((origin) => this.#forget(origin)));
  }

  /** Whom there is to hear from, and to tell. */
  get #exchanging(): boolean {
    return this.#config.exchange && this.#known.size > 1;
  }

  #follow(): void {
    const wanted = new Map<string, boolean>();
    for (const { pushed, origins } of this.#sources)
      for (const origin of origins) wanted.set(origin, pushed || wanted.get(origin) === true);
    for (const origin of [...this.#known.keys()]) if (!wanted.has(origin)) void this.#forget(origin);
    for (const [origin, pushed] of wanted) {
      const known = this.#known.get(origin) ?? this.#meet(origin);
      if (pushed && known.target === undefined) {
        known.target = this.#target(known.envoy);
        if (this.#pushing) known.target.start();
      } else if (!pushed && known.target !== undefined) {
        known.target.close();
        known.target = undefined;
      }
    }
  }

  #meet(origin: string): Known {
    const { path, timeout } = this.#config;
    const { clock, log, random } = this.#parts;
    const envoy = new Envoy(origin, { path, timeoutMs: timeout, secrets: this.#parts.secrets, connect: this.#connect });
    const reader = new Reader(envoy, {
      clock,
      log,
      random,
      intervalMs: () =>
        this.#exchanging ? Math.max(this.#config.interval, READ_SPACING_MS * this.#known.size) : undefined,
      cursor: () => this.#reports.cursor(origin),
      heard: (report) => this.#heard(origin, report),
    });
    const known = { envoy, reader, target: undefined };
    this.#known.set(origin, known);
    log.info({ envoy: origin }, "Envoy found");
    return known;
  }

  #target(envoy: Envoy): Target {
    const { interval, heartbeat, minBackoff, maxBackoff } = this.#config;
    const { snapshots, clock, log, random, pushed } = this.#parts;
    const options = { intervalMs: interval, heartbeatMs: heartbeat, retryMinMs: minBackoff, retryMaxMs: maxBackoff };
    const exchange: TargetParts["exchange"] = {
      cursor: () => (this.#exchanging ? this.#reports.cursor(envoy.origin) : undefined),
      others: (index) => (this.#exchanging ? this.#reports.othersOf(envoy.origin, index) : undefined),
      heard: (report) => {
        this.#known.get(envoy.origin)?.reader?.heard();
        this.#heard(envoy.origin, report);
      },
    };
    return new Target(envoy, { options, snapshots, clock, log, random, pushed, exchange });
  }

  #heard(origin: string, report: TrafficReport): void {
    if (!this.#known.has(origin)) return;
    if (this.#reports.heard(origin, report) && this.#exchanging) this.changed();
  }

  async #forget(origin: string): Promise<void> {
    const known = this.#known.get(origin);
    this.#known.delete(origin);
    this.#reports.forget(origin);
    known?.reader?.close();
    known?.target?.close();
    if (!this.#closed) this.#parts.log.info({ envoy: origin }, "Envoy gone");
    await known?.envoy.close();
  }
}
