// The Envoys of a run, which come and go. Targets get snapshots; peers are only asked for traffic reports. A report with new
// counts or prefixes makes pushes to the other Envoys due. So each Envoy receives the others' traffic within two intervals
// (ARCHITECTURE.md, "What Envoys share"). Where Envoys exchange nothing, their reports are still asked for their sums, but less often.
import { buildConnector } from "undici";
import type { TrafficReport } from "../../protocol/traffic-report.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/schema.ts";
import type { Access } from "../credentials/access.ts";
import type { Secrets } from "../credentials/secrets.ts";
import type { Log } from "../log.ts";
import type { SnapshotSource } from "../snapshot/source.ts";
import { type Connect, Envoy } from "./envoy-connection.ts";
import { type EnvoySource, envoySources, type FindParts } from "./envoy-sources.ts";
import { EnvoyTraffic } from "./envoy-traffic.ts";
import { ReportReader } from "./report-reader.ts";
import { Target, type TargetParts } from "./target.ts";

interface EnvoysParts extends FindParts {
  snapshots: SnapshotSource;
  secrets: Secrets;
  /** Certificates of the connections to Envoys. Envoys closes them when it is closed. */
  certificates: Access;
  clock: Clock;
  log: Log;
  pushed: TargetParts["pushed"];
  /** Takes the sums of an Envoy's traffic report. Absent: nobody wants sums. An Envoy with two addresses reports its sums twice. */
  measured?: (instance: bigint, sums: TrafficReport["sums"]) => void;
}

interface Known {
  envoy: Envoy;
  reader: ReportReader;
  /** The pusher of snapshots; undefined: the Envoy is a peer. */
  target: Target | undefined;
}

/** The shortest time between two requests of a sidecar for traffic reports, over all Envoys. */
const MIN_QUESTION_SPACING_MS = 5;
/** The time between two traffic reports of an Envoy that are wanted for their sums only. */
const SUMS_INTERVAL_MS = 500;

export class Envoys {
  readonly #config: Config["push"];
  readonly #parts: EnvoysParts;
  readonly #traffic: EnvoyTraffic;
  readonly #connect: Connect;
  readonly #sources: Array<{ source: EnvoySource; pushed: boolean; origins: readonly string[] }>;
  readonly #known = new Map<string, Known>();
  #pushing = false;
  #closed = false;

  constructor(config: Config["push"], parts: EnvoysParts) {
    this.#config = config;
    this.#parts = parts;
    // After a reload the source is the same, so the records of the new run need higher numbers. Tens of microseconds fit into
    // 48 bits.
    const first = Number(parts.clock.epochMicros() / 10n);
    this.#traffic = new EnvoyTraffic(() => parts.clock.now(), first);
    this.#connect = (options, callback) => {
      // Each connection has a connector of its own, since the certificates may have changed.
      const { serverName } = config.tls;
      const secureContext = parts.certificates.context;
      const named = serverName === undefined ? {} : { servername: serverName };
      buildConnector({ secureContext, ...named, timeout: config.timeout })(options, callback);
    };
    const of = (found: Parameters<typeof envoySources>[0], pushed: boolean) =>
      envoySources(found, parts).map((source) => ({ source, pushed, origins: [] as readonly string[] }));
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

  /**
   * Returns the secret that an Envoy accepts, and how to connect to the Envoy. The status page reads snapshots back with
   * them.
   */
  accessTo(origin: string): { secret: string; connect: Connect } {
    return { secret: this.#known.get(origin)?.envoy.secret ?? "", connect: this.#connect };
  }

  /** Starts the pushes. */
  start(): void {
    this.#pushing = true;
    for (const target of this.targets) target.start();
  }

  /** Called when the next snapshot differs from the last one. */
  changed(): void {
    if (this.#pushing) for (const target of this.targets) target.changed();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { source } of this.#sources) source.close();
    this.#parts.certificates.close();
    await Promise.all([...this.#known.keys()].map((origin) => this.#forget(origin)));
  }

  /** Whether traffic reports are wanted: they are if several Envoys are known. */
  get #exchanging(): boolean {
    return this.#config.exchange && this.#known.size > 1;
  }

  /** Time between two traffic reports of an Envoy, milliseconds; undefined: no reports are wanted. */
  #reportInterval(): number | undefined {
    if (!this.#exchanging && this.#parts.measured === undefined) return undefined;
    const interval = this.#exchanging ? this.#config.interval : SUMS_INTERVAL_MS;
    return Math.max(interval, MIN_QUESTION_SPACING_MS * this.#known.size);
  }

  #follow(): void {
    const wanted = new Map<string, boolean>();
    for (const { pushed, origins } of this.#sources)
      for (const origin of origins) wanted.set(origin, pushed || wanted.get(origin) === true);
    for (const origin of [...this.#known.keys()]) if (!wanted.has(origin)) void this.#forget(origin);
    for (const [origin, pushed] of wanted) {
      const known = this.#known.get(origin) ?? this.#add(origin);
      if (pushed && known.target === undefined) {
        known.target = this.#target(known.envoy);
        if (this.#pushing) known.target.start();
      } else if (!pushed && known.target !== undefined) {
        known.target.close();
        known.target = undefined;
      }
    }
  }

  #add(origin: string): Known {
    const { path, timeout } = this.#config;
    const { clock, log, random } = this.#parts;
    const envoy = new Envoy(origin, { path, timeoutMs: timeout, secrets: this.#parts.secrets, connect: this.#connect });
    const reader = new ReportReader(envoy, {
      clock,
      log,
      random,
      intervalMs: () => this.#reportInterval(),
      cursor: () => this.#traffic.cursor(origin),
      received: (report) => this.#receive(origin, report),
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
      cursor: () => (this.#exchanging ? this.#traffic.cursor(envoy.origin) : undefined),
      others: (index) => (this.#exchanging ? this.#traffic.othersOf(envoy.origin, index) : undefined),
      refill: (index) => this.#traffic.refillOf(envoy.origin, index),
      refilling: () => this.#traffic.isRefilling(envoy.origin),
      away: () => this.#traffic.away(envoy.origin),
      received: (report) => {
        this.#known.get(envoy.origin)?.reader.reported();
        this.#receive(envoy.origin, report);
      },
    };
    return new Target(envoy, { options, snapshots, clock, log, random, pushed, exchange });
  }

  #receive(origin: string, report: TrafficReport): void {
    if (!this.#known.has(origin)) return;
    this.#parts.measured?.(report.instance, report.sums);
    if (this.#traffic.receive(origin, report) && this.#exchanging) this.changed();
    else if (this.#traffic.isRefilling(origin)) this.#known.get(origin)?.target?.changed();
  }

  async #forget(origin: string): Promise<void> {
    const known = this.#known.get(origin);
    this.#known.delete(origin);
    this.#traffic.forget(origin);
    known?.reader.close();
    known?.target?.close();
    if (!this.#closed) this.#parts.log.info({ envoy: origin }, "Envoy gone");
    await known?.envoy.close();
  }
}
