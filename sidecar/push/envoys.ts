// The Envoys of a run, which come and go. Targets get snapshots; peers get none. The collector of a fleet (collector-election.ts) polls all Envoys
// and pushes to each the traffic of the others (ARCHITECTURE.md, "What Envoys share"). A sidecar that is no collector polls its own
// targets only, to learn when no collector is alive and to get the collector's readings of pods (readings-exchange.ts), and asks peers now
// and then for the sums that it learns from. The only Envoy of several sidecars elects a collector too. A filter of a release without polls is asked at the interval of pushes, and gets the others' traffic with its snapshots.
import { buildConnector } from "undici";
import { EXCHANGE_SPACING_MICROSECONDS } from "../../protocol/constants.ts";
import type { ReadingsAnswer } from "../../protocol/readings/readings-codec.ts";
import type { TrafficReport } from "../../protocol/traffic-report.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/schema.ts";
import type { Access } from "../credentials/access.ts";
import type { Secrets } from "../credentials/secrets.ts";
import type { Log } from "../log.ts";
import type { SnapshotSource } from "../snapshot/source.ts";
import { Election } from "./collector-election.ts";
import { type Connect, Envoy, type EnvoyConnection } from "./envoy-connection.ts";
import { type EnvoySource, envoySources, type FindParts } from "./envoy-sources.ts";
import { EnvoyTraffic } from "./envoy-traffic.ts";
import { type PodReadings, type ReadingsEvent, ReadingsExchange } from "./readings-exchange.ts";
import { type Question, ReportReader } from "./report-reader.ts";
import { Target, type TargetParts } from "./target.ts";
import { TrafficPusher } from "./traffic-pusher.ts";

interface EnvoysParts extends FindParts {
  snapshots: SnapshotSource;
  /** Random id of this process. */
  source: bigint;
  secrets: Secrets;
  /** Certificates of the connections to Envoys. Envoys closes them when it is closed. */
  certificates: Access;
  clock: Clock;
  log: Log;
  pushed: TargetParts["pushed"];
  /** Opens the connections to an Envoy. Absent: by HTTP. A test passes a function of its own. */
  open?: (origin: string) => EnvoyConnection;
  /** Whether each push to an Envoy that is not polled asks for its counts. Default: false. */
  counts?: boolean;
  /** Called when an Envoy has ejected an endpoint. */
  ejected?: () => void;
  /** Takes the sums of an Envoy's traffic report. Absent: nobody wants sums. An Envoy with two addresses reports its sums twice. */
  measured?: (instance: bigint, sums: TrafficReport["sums"]) => void;
  /** The readings of this sidecar's pods, and who counts them. Absent: sidecars do not share readings. */
  readings?: { pods: PodReadings; counted: (event: ReadingsEvent, count: number) => void };
}

interface Known {
  envoy: EnvoyConnection;
  reader: ReportReader;
  pusher: TrafficPusher;
  /** Requests in the sums of the last report, and whether the report before had as many: the Envoy is idle. */
  requests: number;
  quiet: boolean;
  /** The number of ejections in the last report; undefined: no report. */
  ejections: number | undefined;
  /** The pusher of snapshots; undefined: the Envoy is a peer. */
  target: Target | undefined;
}

/** How long a filter may wait with its answer to a poll. */
const POLL_MS = 1000;
/** The same where another sidecar collects too. Each poll claims the lease anew, so two such sidecars soon agree. */
const CONTESTED_POLL_MS = 100;
/** The shortest times between two polls of an Envoy, and between two traffic pushes to it: for a small fleet, and for each Envoy. */
const SPACING_MS = 5;
const SPACING_MS_PER_ENVOY = EXCHANGE_SPACING_MICROSECONDS / 1000;
/** For filters without polls: the shortest time between two questions of a sidecar, over all Envoys. */
const MIN_QUESTION_SPACING_MS = 5;
/** The only Envoy is polled for this long and this often, while no counts and no readings are wanted. */
const QUIET_POLL_MS = 500;
const QUIET_SPACING_MS = 100;
/** The time between two reports that are wanted for their sums only: of the only Envoy; of a peer, for each Envoy; of an idle peer. */
const SUMS_INTERVAL_MS = 500;
const MAX_SUMS_INTERVAL_MS = 8000;
/** A filter answers a poll this late at most, after a request began or ended. */
const POLL_LAG_MS = 50;
/** The time between two questions for another address of an Envoy. */
const ALIAS_INTERVAL_MS = 5000;

export class Envoys {
  readonly #config: Config["push"];
  readonly #parts: EnvoysParts;
  readonly #traffic: EnvoyTraffic;
  readonly #election: Election;
  readonly #readings: ReadingsExchange | undefined;
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
    this.#traffic = new EnvoyTraffic(
      () => parts.clock.now(),
      first,
      (origin) => this.#known.get(origin)?.target !== undefined,
    );
    this.#election = new Election(parts.source);
    const { readings, clock, log } = parts;
    this.#readings =
      readings && config.exchange
        ? new ReadingsExchange({
            ...readings,
            id: this.#election.id,
            clock,
            log,
            collected: () => this.#collected(),
            spacingMs: () => this.#spacingMs(),
          })
        : undefined;
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

  /** In-flight requests of all Envoys on a pod, by their last reports; undefined: no Envoy reports. `hash`: of the pod's address. */
  inFlight(hash: bigint): number | undefined {
    return this.#traffic.requestsOn(hash);
  }

  /** The time since which each Envoy has reported that reports at all, Clock.now(). */
  reportedSince(): number {
    const now = this.#parts.clock.now();
    let since = now;
    for (const [origin, { reader }] of this.#known) {
      const last = this.#traffic.last(origin);
      if (last === undefined || this.#traffic.isAlias(origin)) continue;
      since = Math.min(since, reader.polling ? Math.max(last.at, now - POLL_LAG_MS) : last.at);
    }
    return since;
  }

  /** Whether an Envoy reports that picks or admission use the queues of scrapes. */
  usesQueues(): boolean {
    return this.#traffic.usesQueues;
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

  /** Called after each good scrape of this sidecar. */
  scraped(): void {
    this.#readings?.scraped();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#readings?.close();
    for (const { source } of this.#sources) source.close();
    this.#parts.certificates.close();
    await Promise.all([...this.#known.keys()].map((origin) => this.#forget(origin)));
  }

  /** The Envoys whose collector this sidecar is, each once. */
  *#collected(): Iterable<EnvoyConnection> {
    for (const [origin, { envoy }] of this.#known)
      if (this.#election.isElected(this.#traffic.last(origin)) && !this.#traffic.isAlias(origin)) yield envoy;
  }

  /** Whether the Envoy is the one from which this sidecar gets readings: the first of its own that responds. */
  #isSource(origin: string): boolean {
    for (const [other, { target }] of this.#known)
      if (target !== undefined && (this.#traffic.last(other)?.news ?? 0) !== 0) return other === origin;
    return false;
  }

  /** Whether the traffic of other Envoys is wanted: it is if several Envoys are known. */
  get #exchanging(): boolean {
    return this.#config.exchange && this.#known.size > 1;
  }

  /** The shortest time between two polls of an Envoy, or two traffic pushes to it. */
  #spacingMs(): number {
    return Math.max(SPACING_MS, SPACING_MS_PER_ENVOY * this.#known.size);
  }

  /** How an Envoy is asked now; undefined: its reports are not wanted. */
  #question(origin: string): Question | undefined {
    const known = this.#known.size;
    const { measured } = this.#parts;
    const sums = measured === undefined ? undefined : { spacingMs: SUMS_INTERVAL_MS };
    const alone = known === 1;
    if (!this.#config.exchange || (alone && this.#readings === undefined)) return sums;
    const { id, collecting } = this.#election;
    if (this.#traffic.isAlias(origin)) return { spacingMs: ALIAS_INTERVAL_MS };
    const { target, quiet } = this.#known.get(origin) ?? {};
    if (target === undefined && !collecting) {
      const interval = quiet ? MAX_SUMS_INTERVAL_MS : Math.max(2, known) * SUMS_INTERVAL_MS;
      return sums && { spacingMs: Math.min(interval, MAX_SUMS_INTERVAL_MS) };
    }
    const last = this.#traffic.last(origin);
    if (last === undefined || last.news === 0) {
      if (alone) return { spacingMs: SUMS_INTERVAL_MS };
      return { spacingMs: Math.max(this.#config.interval, MIN_QUESTION_SPACING_MS * known) };
    }
    const wanted = this.#isSource(origin) && !this.#election.isElected(last);
    const readings = this.#readings?.ask(origin, { wanted, quiet: alone });
    const candidate = collecting ? { collector: id, envoys: this.#traffic.envoys } : { collector: 0, envoys: 0 };
    const contested = collecting && !this.#election.isElected(last);
    const ms = alone ? QUIET_POLL_MS : contested ? CONTESTED_POLL_MS : POLL_MS;
    const poll = { ms, news: last.news, known: last.collector, ...candidate, ...(readings && { readings }) };
    return { poll, spacingMs: alone && !wanted ? QUIET_SPACING_MS : this.#spacingMs() };
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
    const { clock, log, random, secrets, open } = this.#parts;
    const envoy = open?.(origin) ?? new Envoy(origin, { path, timeoutMs: timeout, secrets, connect: this.#connect });
    const reader = new ReportReader(envoy, {
      clock,
      log,
      random,
      question: () => this.#question(origin),
      cursor: () => this.#traffic.cursor(origin),
      received: (report, readings, tookMs) => this.#receive(origin, report, { readings, tookMs }),
      failed: () => this.#pushToOthers(origin),
    });
    const pusher = new TrafficPusher(envoy, {
      clock,
      log,
      spacingMs: () => this.#spacingMs(),
      traffic: (number) => this.#othersTraffic(origin, number),
    });
    const known = { envoy, reader, pusher, requests: 0, quiet: false, ejections: undefined, target: undefined };
    this.#known.set(origin, known);
    log.info({ envoy: origin }, "Envoy found");
    return known;
  }

  #target(envoy: EnvoyConnection): Target {
    const { interval, heartbeat, minBackoff, maxBackoff } = this.#config;
    const { snapshots, clock, log, random, pushed } = this.#parts;
    const options = { intervalMs: interval, heartbeatMs: heartbeat, retryMinMs: minBackoff, retryMaxMs: maxBackoff };
    const exchange: TargetParts["exchange"] = {
      cursor: () => (this.#asksWithPushes(envoy.origin) ? this.#traffic.cursor(envoy.origin) : undefined),
      others: (index) => (this.#needsReports(envoy.origin) ? this.#traffic.othersOf(envoy.origin, index) : undefined),
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

  /** Whether pushes to this Envoy exchange traffic: its filter is of a release without polls. */
  #needsReports(origin: string): boolean {
    return this.#exchanging && this.#traffic.last(origin)?.news === 0;
  }

  /** Whether pushes to this Envoy ask for reports. */
  #asksWithPushes(origin: string): boolean {
    return this.#exchanging ? this.#needsReports(origin) : this.#parts.counts === true;
  }

  /** Returns the next traffic push to an Envoy; undefined: another sidecar pushes to it. */
  #othersTraffic(origin: string, number: number) {
    const wanted = this.#exchanging && this.#election.isElected(this.#traffic.last(origin));
    if (!wanted || this.#traffic.isAlias(origin)) return undefined;
    const { bytes: prefixes, number: last } = this.#traffic.prefixesOf(origin, number);
    return { ...this.#traffic.sumsOf(origin), prefixes, number: last };
  }

  /** Pushes traffic to the Envoys other than `origin`, which has news, or is away and may be forgotten by now. */
  #pushToOthers(origin: string): void {
    for (const [other, { pusher, target }] of this.#known) {
      if (other === origin) continue;
      if (!this.#needsReports(other)) pusher.changed();
      else if (this.#pushing) target?.changed();
    }
  }

  /** `asked`: what the answer to a question of the report's reader has beside the report. Absent: the report came with a push. */
  #receive(
    origin: string,
    report: TrafficReport,
    asked?: { readings: ReadingsAnswer | undefined; tookMs: number },
  ): void {
    const from = this.#known.get(origin);
    if (from === undefined) return;
    this.#parts.measured?.(report.instance, report.sums);
    const requests = [...report.sums.values()].reduce((sum, one) => sum + one.requests, 0);
    from.quiet = requests === from.requests;
    from.requests = requests;
    if (from.ejections !== undefined && from.ejections !== report.ejections) this.#parts.ejected?.();
    from.ejections = report.ejections;
    const elected = this.#election.isElected(this.#traffic.last(origin));
    const news = this.#traffic.receive(origin, report);
    if (this.#traffic.isRefilling(origin)) from.target?.changed();
    if (asked !== undefined) void this.#readings?.received(origin, asked.readings, asked.tookMs);
    if (!this.#config.exchange) return;
    const beginsToCollect = this.#election.heard(report, from.target !== undefined, this.#lastReports());
    if (beginsToCollect) for (const { reader } of this.#known.values()) reader.wake();
    if (!elected && this.#isSource(origin) && this.#election.isElected(report)) this.#readings?.takeOver();
    if (!this.#exchanging) return;
    if (!elected) from.pusher.changed();
    if (news) this.#pushToOthers(origin);
  }

  /** The last report of each Envoy. Made one by one, because the election mostly needs the first only. */
  *#lastReports() {
    for (const [origin, { target }] of this.#known)
      yield { last: this.#traffic.last(origin), own: target !== undefined };
  }

  async #forget(origin: string): Promise<void> {
    const known = this.#known.get(origin);
    this.#known.delete(origin);
    this.#traffic.forget(origin);
    this.#readings?.forget(origin);
    known?.reader.close();
    known?.pusher.close();
    known?.target?.close();
    if (!this.#closed) this.#parts.log.info({ envoy: origin }, "Envoy gone");
    await known?.envoy.close();
  }
}
