// The exchange between Envoys, as a sidecar of the simulation makes it: polls, and pushes of the other Envoys' traffic. Who collects, the
// sums and the messages are the product's code. The times are those of sidecar/push/envoys.ts, report-reader.ts and traffic-pusher.ts.
import { decodeReport, encodeTrafficPush, type TrafficReport } from "../../../protocol/traffic-report.ts";
import { Election } from "../../../sidecar/push/collector-election.ts";
import type { Poll } from "../../../sidecar/push/envoy-connection.ts";
import type { EnvoyTraffic } from "../../../sidecar/push/envoy-traffic.ts";
import type { World } from "../world.ts";
import type { Delays } from "./delays.ts";
import type { SimEnvoy } from "./sim-envoy.ts";

/** How long a filter may wait with its answer to a poll. */
const POLL_MS = 1000;
/** A traffic push without news comes this often. */
const REPEAT_MS = 1000;
/** The time between two questions to an Envoy that has not answered yet. */
const FIRST_MS = 50;
/** The mean wait after an Envoy did not answer. */
const AWAY_MS = 500;
/** The time between two questions to a peer of a sidecar that does not collect, for each Envoy. */
const SUMS_MS = 500;

interface SimExchangeParts {
  envoys: readonly SimEnvoy[];
  /** Whether the sidecar pushes snapshots to an Envoy. */
  isOwn(envoy: SimEnvoy): boolean;
  /** Id of the sidecar's process, above 0. */
  id: number;
  /** The sidecar's connections to Envoys have this number. */
  connection: number;
  delays: Delays;
  traffic: EnvoyTraffic;
  /** A random number from 0 to 1. */
  random(): number;
  /** Ms that the next message is on its way. */
  transit(): number;
  measured(report: TrafficReport): void;
}

/** What the sidecar knows of its exchange with one Envoy. Times are in ms of simulated time. */
interface Link {
  envoy: SimEnvoy;
  asking: boolean;
  askedAt: number;
  awayUntil: number;
  /** The looks of an earlier round are void. */
  round: number;
  pushing: boolean;
  /** Whether the other Envoys have news since the last push began. */
  changed: boolean;
  pushedAt: number;
  pushDueAt: number;
  /** The Envoy has the prefixes up to this number. */
  number: number;
}

export class SimExchange {
  readonly #world: World;
  readonly #parts: SimExchangeParts;
  readonly #election: Election;
  readonly #links: readonly Link[];
  #closed = false;

  constructor(world: World, parts: SimExchangeParts) {
    this.#world = world;
    this.#parts = parts;
    this.#election = new Election(BigInt(parts.id));
    const never = Number.NEGATIVE_INFINITY;
    this.#links = parts.envoys.map((envoy) => ({
      envoy,
      asking: false,
      askedAt: never,
      awayUntil: never,
      round: 0,
      pushing: false,
      changed: false,
      pushedAt: never,
      pushDueAt: Number.POSITIVE_INFINITY,
      number: 0,
    }));
  }

  start(): void {
    for (const link of this.#links) this.#look(link);
  }

  close(): void {
    this.#closed = true;
  }

  get #over(): boolean {
    return this.#closed || this.#world.isOver();
  }

  /** The shortest time between two polls of an Envoy, or two traffic pushes to it. */
  get #spacingMs(): number {
    const { spacingMs, spacingMsPerEnvoy } = this.#parts.delays;
    return Math.max(spacingMs, spacingMsPerEnvoy * this.#links.length);
  }

  /** How an Envoy is asked now: the shortest time since the last question, and what a poll says. */
  #question({ envoy }: Link): { spacingMs: number; poll?: Poll } {
    const { id, collecting } = this.#election;
    const { isOwn, traffic } = this.#parts;
    if (!isOwn(envoy) && !collecting) return { spacingMs: Math.max(2, this.#links.length) * SUMS_MS };
    const last = traffic.last(envoy.origin);
    if (last === undefined) return { spacingMs: FIRST_MS };
    const candidate = collecting ? { collector: id, envoys: traffic.envoys } : { collector: 0, envoys: 0 };
    return {
      spacingMs: this.#spacingMs,
      poll: { ms: POLL_MS, news: last.news, known: last.collector, ...candidate },
    };
  }

  /** Asks the Envoy if that is due, else later. */
  #look(link: Link): void {
    if (this.#over || link.asking) return;
    const { spacingMs, poll } = this.#question(link);
    const due = Math.max(link.askedAt + spacingMs, link.awayUntil);
    if (due > this.#world.now()) {
      const round = ++link.round;
      this.#world.after(due - this.#world.now(), () => {
        if (round === link.round) this.#look(link);
      });
      return;
    }
    link.round++;
    link.asking = true;
    link.askedAt = this.#world.now();
    const { traffic, transit, connection } = this.#parts;
    const cursor = traffic.cursor(link.envoy.origin);
    this.#world.after(transit(), () => {
      link.envoy.ask(connection, cursor, poll, (report) => {
        this.#world.after(transit(), () => this.#answered(link, report));
      });
    });
  }

  #answered(link: Link, report: Uint8Array | undefined): void {
    link.asking = false;
    if (this.#closed) return;
    if (report === undefined) {
      link.awayUntil = this.#world.now() + AWAY_MS * (0.75 + this.#parts.random() / 2);
      this.#pushToOthers(link);
    } else {
      this.#receive(link, decodeReport(report));
    }
    this.#look(link);
  }

  #receive(from: Link, report: TrafficReport): void {
    const { traffic, isOwn, measured } = this.#parts;
    const { origin } = from.envoy;
    measured(report);
    const elected = this.#election.isElected(traffic.last(origin));
    const news = traffic.receive(origin, report);
    const all = this.#links.map(({ envoy }) => ({ last: traffic.last(envoy.origin), own: isOwn(envoy) }));
    if (this.#election.heard(report, isOwn(from.envoy), all)) for (const link of this.#links) this.#look(link);
    if (!elected) this.#changed(from);
    if (news) this.#pushToOthers(from);
  }

  #pushToOthers(from: Link): void {
    for (const link of this.#links) if (link !== from) this.#changed(link);
  }

  #changed(link: Link): void {
    link.changed = true;
    if (!link.pushing) this.#plan(link, link.pushedAt + this.#spacingMs);
  }

  /** Sends a push at this time, or at the time that is set if that is earlier. */
  #plan(link: Link, at: number): void {
    const dueAt = Math.max(at, this.#world.now());
    if (dueAt >= link.pushDueAt) return;
    link.pushDueAt = dueAt;
    this.#world.after(dueAt - this.#world.now(), () => {
      if (link.pushDueAt === dueAt) this.#push(link);
    });
  }

  #push(link: Link): void {
    link.pushDueAt = Number.POSITIVE_INFINITY;
    const { traffic, transit } = this.#parts;
    const { origin } = link.envoy;
    link.changed = false;
    if (this.#over || link.pushing || !this.#election.isElected(traffic.last(origin))) return;
    const { bytes: prefixes, number } = traffic.prefixesOf(origin, link.number);
    const body = encodeTrafficPush({ ...traffic.sumsOf(origin), prefixes });
    link.pushing = true;
    link.pushedAt = this.#world.now();
    this.#world.after(transit(), () => {
      link.envoy.push(body);
      this.#world.after(transit(), () => {
        link.pushing = false;
        link.number = number;
        this.#plan(link, link.pushedAt + (link.changed ? this.#spacingMs : REPEAT_MS));
      });
    });
  }
}
