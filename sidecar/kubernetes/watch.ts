// Keeps a copy of the objects of one resource, by a list and a watch.
//
//   list  ── 200, all pages ──▶ watch from the list's version
//   list  ── 404 for every version of the API ──▶ absent: objects are removed; list again later, the CRD may be installed
//   list  ── 403 ──▶ refused: objects stay; list again later
//   watch ── event, bookmark ──▶ the next watch starts at its version
//   watch ── the server ends it ──▶ watch from the last version
//   watch ── error ──▶ wait, watch from the last version
//   watch ── 410 (as ERROR event or status), silence, a line that is not an event ──▶ list
//
// Only a DELETED event, a list or a 404 removes objects, so pods stay while the API server is down.
import { setTimeout as sleep } from "node:timers/promises";
import { type ApiClient, ApiError } from "./api-client.ts";
import type { ClusterObject } from "./cluster-objects.ts";
import { type Resource, translateAs } from "./translate/index.ts";
import { keyOf, parseEvent, type RawObject } from "./watch-event.ts";

export interface WatchTimes {
  /** How long the server keeps one watch open. */
  watchMs: number;
  /** The longest time without a byte. A watch may be silent for watchMs. */
  silenceMs: number;
  retryMinMs: number;
  retryMaxMs: number;
  /** The wait before the next list, while the resource is absent or refused. */
  absentMs: number;
}

export const WATCH_TIMES: WatchTimes = {
  watchMs: 30_000,
  silenceMs: 10_000,
  retryMinMs: 100,
  retryMaxMs: 1500,
  absentMs: 5000,
};

interface WatchParts {
  client: ApiClient;
  times: WatchTimes;
  random: () => number;
  observer: WatchObserver;
}

export interface WatchObserver {
  /** An object appeared, changed or was removed. */
  changed(): void;
  /** An object has mistakes: its last good state stays. */
  broken(object: string, problems: readonly string[]): void;
  /** A request failed. Called once for each new reason. */
  failed(watch: string, state: WatchState, error: ApiError): void;
  recovered(watch: string): void;
}

type WatchState = "listing" | "watching" | "absent" | "refused" | "failing";

const PAGE = 500;
/** A watch that ends sooner and without an event counts as failed, so the next watch waits. */
const SHORTEST_MS = 1000;

export class ResourceWatch {
  readonly name: string;
  readonly #resource: Resource;
  readonly #namespace: string | null;
  readonly #selector: string | undefined;
  readonly #parts: WatchParts;
  readonly #closing = new AbortController();
  #objects = new Map<string, ClusterObject>();
  #apiVersion: string;
  /** The version at which the next watch starts; undefined: a list comes first. */
  #version: string | undefined;
  #failures = 0;
  /** The reason that was reported last; "": none. */
  #reason = "";
  /** Number of responses 404 in a row. */
  #missed = 0;
  state: WatchState = "listing";
  /** Whether the server has responded once: with a list, with 404 or with 403. */
  answered = false;

  /** `namespace`: null means all namespaces. `selector`: a label selector; undefined: the resource's own label. */
  constructor(resource: Resource, namespace: string | null, selector: string | undefined, parts: WatchParts) {
    this.#resource = resource;
    this.#namespace = namespace;
    this.#selector = selector ?? (resource.label && `${resource.label.name}=${resource.label.value}`);
    this.#parts = parts;
    this.#apiVersion = Object.keys(resource.versions)[0] as string;
    const of = resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;
    this.name = `${of} in ${namespace ?? "all namespaces"}${selector === undefined ? "" : ` (${selector})`}`;
  }

  get objects(): Iterable<ClusterObject> {
    return this.#objects.values();
  }

  get size(): number {
    return this.#objects.size;
  }

  start(): void {
    void this.#run();
  }

  close(): void {
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      let wait = 0;
      try {
        if (this.#version === undefined) await this.#list();
        else await this.#watch(this.#version);
      } catch (error) {
        if (signal.aborted) return;
        wait = this.#failed(error instanceof ApiError ? error : new ApiError(0, String(error)));
      }
      if (wait > 0) await sleep(wait, undefined, { signal }).catch(() => {});
    }
  }

  #path(version: string): string {
    const { group, plural } = this.#resource;
    const api = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    return this.#namespace === null ? `${api}/${plural}` : `${api}/namespaces/${this.#namespace}/${plural}`;
  }

  /** Handles a failed request. Returns the milliseconds to wait before the next try. */
  #failed(error: ApiError): number {
    const { times, random, observer } = this.#parts;
    const jitter = 0.5 + random();
    if (error.status === 410) {
      this.#version = undefined;
      // The first 410 is normal, so a list follows at once. If the server repeats 410, the waits grow.
      return this.#failures++ === 0 ? 0 : Math.min(times.retryMinMs * 2 ** this.#failures, times.retryMaxMs) * jitter;
    }
    this.#failures++;
    if (error.status === 404) return this.#absent(jitter);
    this.state = error.status === 403 ? "refused" : "failing";
    if (error.status === 403) this.answered = true;
    const reason = `${this.state} ${error.message}`;
    if (reason !== this.#reason) observer.failed(this.name, this.state, error);
    this.#reason = reason;
    if (error.status === 403) {
      observer.changed();
      return times.absentMs * jitter;
    }
    const wait = Math.min(times.retryMinMs * 2 ** Math.min(this.#failures - 1, 16), times.retryMaxMs) * jitter;
    return Math.max(wait, error.retryAfterMs);
  }

  #absent(jitter: number): number {
    const { times, observer } = this.#parts;
    this.#version = undefined;
    this.#missed++;
    // A starting server may not know its CRDs yet. One 404 does not remove objects; a second one does.
    if (this.#objects.size > 0 && this.#missed === 1) return times.retryMinMs * jitter;
    this.state = "absent";
    this.answered = true;
    this.#objects.clear();
    observer.changed();
    return times.absentMs * jitter;
  }

  async #list(): Promise<void> {
    const { times, observer } = this.#parts;
    const listed = new Map<string, ClusterObject>();
    const deadlines = { silenceMs: times.silenceMs, signal: this.#closing.signal };
    let token: string | undefined;
    let version = "";
    do {
      const query = { labelSelector: this.#selector, limit: PAGE, continue: token };
      const page = (await this.#getPage(query, deadlines, token !== undefined)) as {
        metadata?: RawObject["metadata"];
        items?: unknown;
      };
      if (!Array.isArray(page.items)) throw new ApiError(0, "a list without items");
      for (const item of page.items) this.#put(listed, item as RawObject);
      token = page.metadata?.continue || undefined;
      version = page.metadata?.resourceVersion ?? "";
    } while (token !== undefined);
    this.#objects = listed;
    this.#version = version;
    this.#missed = 0;
    this.answered = true;
    observer.changed();
  }

  /**
   * Requests a page of the list. The first page tries the API versions, newest first, and keeps the first that the server
   * has.
   */
  async #getPage(query: object, deadlines: { silenceMs: number; signal: AbortSignal }, further: boolean) {
    const { client } = this.#parts;
    const all = { ...query } as Record<string, string | number | undefined>;
    if (further) return client.get(this.#path(this.#apiVersion), all, deadlines);
    let missing: unknown;
    for (const version of Object.keys(this.#resource.versions)) {
      try {
        const page = await client.get(this.#path(version), all, deadlines);
        this.#apiVersion = version;
        return page;
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 404) throw error;
        missing = error;
      }
    }
    throw missing;
  }

  async #watch(version: string): Promise<void> {
    const { client, times, random } = this.#parts;
    // The length is random, so that watches that began together do not end together.
    const seconds = Math.ceil((times.watchMs * (1 + 0.2 * random())) / 1000);
    const query = {
      watch: true,
      resourceVersion: version,
      allowWatchBookmarks: true,
      timeoutSeconds: seconds,
      labelSelector: this.#selector,
    };
    // The server ends the watch after `seconds`. A server that does not end the watch hangs.
    const deadlines = { silenceMs: seconds * 1000 + times.silenceMs / 2, signal: this.#closing.signal };
    const began = performance.now();
    let events = 0;
    const lasted = () => performance.now() - began >= SHORTEST_MS;
    try {
      await client.lines(this.#path(this.#apiVersion), query, deadlines, {
        opened: () => this.#works(),
        line: (text) => {
          this.#event(text);
          events++;
        },
      });
    } catch (error) {
      if (events > 0 || lasted()) this.#failures = 0;
      // After silence, events may be missing, and the server may not know the version. So a list follows.
      if (error instanceof ApiError && error.status === 0 && error.message.startsWith("silent"))
        this.#version = undefined;
      throw error;
    }
    // A watch from an unknown version is silent to its end. A watch from a known version gets a bookmark before its end.
    if (events === 0) this.#version = undefined;
    else this.#failures = 0;
    if (events === 0 && !lasted()) throw new ApiError(0, "the watch ended at once");
  }

  #works(): void {
    this.state = "watching";
    if (this.#reason !== "") this.#parts.observer.recovered(this.name);
    this.#reason = "";
  }

  #event(line: string): void {
    const event = parseEvent(line);
    if (event.type === undefined) {
      this.#version = undefined;
      throw new ApiError(0, event.reason);
    }
    if (!("version" in event)) throw new ApiError(event.object?.code ?? 0, event.object?.message ?? "an ERROR event");
    const { type, object, version } = event;
    if (type === "ADDED" || type === "MODIFIED") {
      this.#put(this.#objects, object);
      this.#parts.observer.changed();
    } else if (type === "DELETED") {
      this.#objects.delete(keyOf(object));
      this.#parts.observer.changed();
    }
    // The version is set last. Otherwise the next watch would skip an event that failed above.
    this.#version = version;
  }

  #put(objects: Map<string, ClusterObject>, raw: RawObject): void {
    const key = keyOf(raw);
    const translated = translateAs(this.#resource, this.#apiVersion, raw);
    if ("object" in translated) {
      objects.set(key, translated.object);
    } else if ("problems" in translated) {
      const last = this.#objects.get(key);
      if (last !== undefined) objects.set(key, last);
      this.#parts.observer.broken(`${this.#resource.kind} ${key}`, translated.problems);
    } else {
      objects.delete(key);
    }
  }
}
