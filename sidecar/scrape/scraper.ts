// Scrapes one pod: reads its metrics at the pod's pace (scrape-pace.ts), and independently its models and, if configured, its health. Pods share
// only the event loop and ScrapeLimit, so a slow or dead pod delays no other pod.
import { sameReading } from "../engines/reading.ts";
import { Health } from "../health.ts";
import { toFailure } from "../http.ts";
import type { Pod, PodAddress } from "../pod.ts";
import { LastSignals } from "./last-signals.ts";
import { ModelReader } from "./model-reader.ts";
import { PageReader } from "./page/page-reader.ts";
import { PodClient } from "./pod-client.ts";
import { Probe } from "./probe.ts";
import { jittered, type ScraperParts } from "./scraper-parts.ts";
import { ReadingsGate } from "./shared/readings-gate.ts";
import type { SharedReading } from "./shared/shared-readings.ts";
import { PodPace } from "./timing/pod-pace.ts";

/** After a connection was lost, further losses say nothing about the pod for this long. */
const LOST_QUIET_MS = 10_000;
const DEFAULT_HEALTH_PATH = "/health";

export class Scraper {
  readonly pod: Pod;
  readonly #parts: ScraperParts;
  readonly #client: PodClient;
  readonly #pages: PageReader;
  readonly #models: ModelReader | undefined;
  readonly #probe: Probe | undefined;
  readonly #pace: PodPace;
  readonly #signals = new LastSignals();
  readonly #gate = new ReadingsGate();
  #timer: NodeJS.Timeout | undefined;
  /** Whether something happened to the pod during the scrape. */
  #hastened = false;
  /** Whether the pace may make the wait that is running longer. */
  #paced = false;
  #scraping = false;
  /** When the next scrape is due without readings of another sidecar, and with them, ms. */
  #ownDueAt = Number.NEGATIVE_INFINITY;
  #dueAt = Number.NEGATIVE_INFINITY;
  /** When the last good scrape ended, ms, and how long it took, seconds. */
  #readAt = Number.NEGATIVE_INFINITY;
  #seconds = 0;
  #lostAt = Number.NEGATIVE_INFINITY;
  /** When the last scrape that failed began, ms. */
  #failedAt = Number.NEGATIVE_INFINITY;
  #scrapedOnce = false;
  #closed = false;

  constructor(found: PodAddress, parts: ScraperParts) {
    this.#parts = parts;
    const { options, engines, access } = parts;
    // `engine` is undefined for AUTO, since the parser recognises the engine from the text.
    const engine = engines.get(found.engine);
    const probe = found.probe ?? options.probe;
    const health = new Health(options.failures, probe !== undefined);
    if (!options.modelsDiscovered) health.modelsRead();
    this.pod = { ...found, health, reading: null, scrapedAt: null, models: [] };
    this.#client = new PodClient(found.origin, withPort(found.origin, engine?.metrics?.port), access, () =>
      this.#lost(),
    );
    this.#pages = new PageReader(this.#client, engine?.metrics?.path ?? options.path, parts);
    this.pod.page = this.#pages.state;
    this.pod.cost = this.#pages.cost;
    this.#pace = new PodPace(this.pod, parts);
    if (options.modelsDiscovered) this.#models = new ModelReader(this.pod, this.#client, parts);
    if (probe !== undefined) {
      const fixed = probe.path ?? engine?.health;
      const path = () => fixed ?? engines.get(this.pod.reading?.engine ?? "")?.health ?? DEFAULT_HEALTH_PATH;
      this.#probe = new Probe(this.pod, this.#client, path, probe, parts);
    }
  }

  /** Whether metrics, models and probe each succeeded or failed at least once. */
  get settled(): boolean {
    return this.#scrapedOnce && this.#models?.settled !== false && this.#probe?.settled !== false;
  }

  start(): void {
    void this.#scrape();
    this.#models?.read();
    this.#probe?.start();
  }

  /** Scrapes soon, because something happened to the pod. Scrapes of a failing pod keep their waits. */
  hasten(): void {
    // What a scrape under way shows may be from before the event.
    this.#hastened = this.#scraping;
    if (this.#scraping || this.#closed || !this.#scrapedOnce || this.pod.health.failures > 0) return;
    const { clock, options } = this.#parts;
    const now = clock.now();
    this.#gate.hasten(now, options.pace.intervalMs);
    this.#again(now, Math.max(0, this.#pace.startedAt + options.pace.intervalMs - now));
  }

  /** The pod ended the connection, perhaps because its process ended. Some servers do so all the time. */
  #lost(): void {
    const now = this.#parts.clock.now();
    if (now - this.#lostAt > LOST_QUIET_MS) this.hasten();
    this.#lostAt = now;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#models?.close();
    this.#probe?.close();
    this.#client.close();
  }

  /**
   * Takes what another sidecar read from the pod, in a scrape that began at `at`, ms. `source`: that sidecar's id. While such readings
   * come, this sidecar does not scrape the pod (readings-gate.ts). A missing one is no failure: the own scrape decides.
   */
  received(source: number, { reading, next, seconds, age, oldest }: SharedReading, at: number): void {
    const { clock, options, observer } = this.#parts;
    const { pod } = this;
    const { health } = pod;
    const now = clock.now();
    // An own scrape that began later and failed says more.
    if (this.#closed || at > now || at <= this.#failedAt) return;
    const { intervalMs, maxIntervalMs } = options.pace;
    const promised = Math.min(next, Math.max(intervalMs, maxIntervalMs));
    this.#gate.take(at, promised, now);
    pod.paceMs = Math.max(intervalMs, promised);
    // The pod responds, so what is left of a wait after failures does not count.
    if (health.failures > 0) this.#ownDueAt = Math.min(this.#ownDueAt, now);
    if (!this.#scraping) this.#schedule(now);
    if (pod.respondedAt !== undefined && at <= pod.respondedAt) return;
    const wasReady = health.ready;
    const before = pod.reading;
    const first = !this.#scrapedOnce;
    const joined = this.#signals.join(reading, at);
    pod.reading = joined.reading;
    pod.scrapedAt = Math.min(joined.at, at - (oldest - age));
    pod.respondedAt = at;
    pod.scrapedBy = source;
    this.#scrapedOnce = true;
    health.scraped();
    observer.received(pod, seconds);
    if (health.needsModels) this.#models?.read();
    if (first || wasReady !== health.ready || !sameReading(before, pod.reading)) observer.changed(pod);
  }

  /** Returns the reading of the pod for other sidecars, if this sidecar itself has read it after `since`, ms; otherwise undefined. */
  share(since: number): SharedReading | undefined {
    const { address, reading, scrapedAt, respondedAt, scrapedBy } = this.pod;
    if (this.#readAt <= since || scrapedBy !== undefined || reading === null || reading.engine === null)
      return undefined;
    if (scrapedAt === null || respondedAt === undefined) return undefined;
    const now = this.#parts.clock.now();
    // The wait may grow to the planned one, and an earlier reading than promised does no harm.
    const next = Math.max(0, this.#dueAt - respondedAt, this.pod.paceMs ?? 0);
    return { address, age: now - respondedAt, oldest: now - scrapedAt, next, seconds: this.#seconds, reading };
  }

  /** This sidecar reads the pods for others from now on. */
  takeOver(): void {
    if (this.#closed) return;
    this.#gate.takeOver();
    if (!this.#scraping) this.#schedule(this.#parts.clock.now());
  }

  async #scrape(): Promise<void> {
    const { options, clock, observer, limit } = this.#parts;
    const { pod } = this;
    const { health } = pod;
    const started = clock.now();
    const suspect = health.failures > 0;
    const first = !this.#scrapedOnce;
    if (!limit.begin(suspect)) {
      observer.crowded(pod);
      this.#again(started, this.#delay(0, first));
      return;
    }
    this.#scraping = true;
    this.#pace.begins();
    const wasReady = health.ready;
    const before = pod.reading;
    try {
      const { reading, startedAt, ms } = await this.#pages.read();
      if (this.#closed) return;
      // Meanwhile another sidecar may have sent what it read later.
      if (pod.respondedAt === undefined || pod.respondedAt < startedAt) {
        const joined = this.#signals.join(reading, startedAt);
        pod.reading = joined.reading;
        pod.scrapedAt = joined.at;
        pod.respondedAt = startedAt;
        delete pod.scrapedBy;
      }
      this.#readAt = clock.now();
      this.#seconds = ms / 1000;
      health.scraped();
      this.#pace.scraped(before);
      observer.scraped(pod, ms / 1000);
      if (health.needsModels) this.#models?.read();
    } catch (error) {
      if (this.#closed) return;
      const failure = toFailure(error);
      this.#failedAt = started;
      health.failed(failure.reason);
      if (!options.modelsDiscovered) health.modelsRead();
      observer.scrapeFailed(pod, failure);
    } finally {
      limit.end(suspect);
    }
    this.#scrapedOnce = true;
    if (first || wasReady !== health.ready || !sameReading(before, pod.reading)) observer.changed(pod);
    if (this.#pages.tryDue && limit.begin(false)) {
      await this.#pages.tryRestricted();
      limit.end(false);
      if (this.#closed) return;
    }
    pod.page = this.#pages.state;
    this.#scraping = false;
    const now = clock.now();
    if (first || health.failures > 0) this.#again(now, this.#delay(now - started, first));
    else this.#pause(now, this.#pace.waitMs());
    if (this.#hastened) this.hasten();
  }

  /** Scrapes again after `waitMs`, or later while another sidecar reads the pod. */
  #again(now: number, waitMs: number): void {
    this.#paced = false;
    this.#ownDueAt = now + waitMs;
    this.#schedule(now);
  }

  /** Scrapes again after `waitMs` or later, as the pace wants then. */
  #pause(now: number, waitMs: number): void {
    this.#again(now, waitMs);
    this.#paced = true;
  }

  #schedule(now: number): void {
    const waitMs = Math.max(0, this.#ownDueAt - now, this.#gate.waitMs(now));
    this.#dueAt = now + waitMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#due(), Math.ceil(waitMs));
  }

  /** The wait is over. Meanwhile the Envoys may have reported, so the pace may want a longer wait. */
  #due(): void {
    const more = this.#paced ? this.#pace.waitMs() : 0;
    if (more >= 1) this.#pause(this.#parts.clock.now(), more);
    else void this.#scrape();
  }

  /** Returns the milliseconds from the end of a scrape to the start of the next one. `elapsed`: duration of the scrape. */
  #delay(elapsed: number, first: boolean): number {
    const { options, random } = this.#parts;
    const { intervalMs } = options.pace;
    const { failures } = this.pod.health;
    // The second scrape comes at a random time of the interval: pods that were found together are not always scraped together.
    if (first && failures === 0) return intervalMs * random();
    const doublings = Math.min(Math.max(failures - 1, 0), 16);
    const wait = Math.min(intervalMs * 2 ** doublings, Math.max(options.maxBackoffMs, intervalMs));
    return Math.max(0, jittered(wait, random) - elapsed);
  }
}

function withPort(origin: string, port: number | undefined): string {
  if (port === undefined) return origin;
  const url = new URL(origin);
  url.port = String(port);
  return url.origin;
}
