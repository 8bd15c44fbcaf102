// One list-and-watch: keeps the objects of one resource as the API server has them.
//
//   list ── 200, all pages ──▶ watch from the list's version
//   list ── 404, every version of the API ──▶ absent: objects forgotten, listed again later (the CRD may come)
//   list ── 403 ──▶ refused: what is known stays, listed again later
//   watch ── event, bookmark ──▶ its version is where a next watch goes on
//   watch ── ended by the server in its time ──▶ watch from the last version
//   watch ── broken ──▶ wait, watch from the last version
//   watch ── 410 (as ERROR event or status), silence, what is not an event ──▶ list
//
// Nothing is forgotten but by a DELETED event, a list, or a 404: an API server that is away takes no pod away.
import { setTimeout as sleep } from "node:timers/promises";
import { type ApiClient, ApiError } from "./api-client.ts";
import type { ClusterObject } from "./cluster-objects.ts";
import { type Resource, translateAs } from "./translate/index.ts";

export interface WatchTimes {
  /** How long the server keeps one watch open; a server that hangs is noticed a little later. */
  watchMs: number;
  /** Silence in an exchange that should not be silent. */
  silenceMs: number;
  retryMinMs: number;
  retryMaxMs: number;
  /** How often a resource is asked for that is not installed or not allowed. */
  absentMs: number;
}

export const WATCH_TIMES: WatchTimes = {
  watchMs: 30_000,
  silenceMs: 10_000,
  retryMinMs: 100,
  retryMaxMs: 1500,
  absentMs: 5000,
};

export interface WatchParts {
  client: ApiClient;
  times: WatchTimes;
  random: () => number;
  observer: WatchObserver;
}

export interface WatchObserver {
  /** An object came, changed or went. */
  changed(): void;
  /** An object says something that is not understood; the last good one stays. */
  broken(object: string, problems: readonly string[]): void;
  /** Said once for each new reason. */
  failed(watch: string, state: WatchState, error: ApiError): void;
  recovered(watch: string): void;
}

export type WatchState = "listing" | "watching" | "absent" | "refused" | "failing";

const PAGE = 500;
/** A watch that ends sooner and said nothing counts as failed, so that it is not begun again in a loop. */
const SHORTEST_MS = 1000;

interface Meta {
  resourceVersion?: string;
  namespace?: string;
  name?: string;
  continue?: string;
}
type RawObject = { metadata?: Meta; code?: number; message?: string };

export class ResourceWatch {
  readonly name: string;
  readonly #resource: Resource;
  readonly #namespace: string | null;
  readonly #selector: string | undefined;
  readonly #parts: WatchParts;
  readonly #closing = new AbortController();
  #objects = new Map<string, ClusterObject>();
  #apiVersion: string;
  /** Where the next watch goes on; undefined: list first. */
  #version: string | undefined;
  #failures = 0;
  #said = "";
  #missed = 0;
  state: WatchState = "listing";
  /** Whether the server answered once, be it that there is no such resource. */
  answered = false;

  /** `namespace` null is all of them. */
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

  /** How long to wait. */
  #failed(error: ApiError): number {
    const { times, random, observer } = this.#parts;
    const jitter = 0.5 + random();
    if (error.status === 410) {
      this.#version = undefined;
      // The first is in the order of things; a server that says so again and again is not asked in a loop.
      return this.#failures++ === 0 ? 0 : Math.min(times.retryMinMs * 2 ** this.#failures, times.retryMaxMs) * jitter;
    }
    this.#failures++;
    if (error.status === 404) return this.#absent(jitter);
    this.state = error.status === 403 ? "refused" : "failing";
    if (error.status === 403) this.answered = true;
    const reason = `${this.state} ${error.message}`;
    if (reason !== this.#said) observer.failed(this.name, this.state, error);
    this.#said = reason;
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
    // A server that starts may not know its CRDs yet. Where objects would be lost, it has to say it twice.
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
      const page = (await this.#getPage(query, deadlines, token !== undefined)) as { metadata?: Meta; items?: unknown };
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

  /** The newest version of the API that is served. */
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
    // Servers end watches that began together at different times.
    const seconds = Math.ceil((times.watchMs * (1 + 0.2 * random())) / 1000);
    const query = {
      watch: true,
      resourceVersion: version,
      allowWatchBookmarks: true,
      timeoutSeconds: seconds,
      labelSelector: this.#selector,
    };
    // The server ends the watch in its time; one that does not hangs.
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
      // After silence nobody knows what was missed, or whether the version is one that this server ever had.
      if (error instanceof ApiError && error.status === 0 && error.message.startsWith("silent"))
        this.#version = undefined;
      throw error;
    }
    // A watch from a version that the server does not have is silent until it ends. Bookmarks come before the end.
    if (events === 0) this.#version = undefined;
    else this.#failures = 0;
    if (events === 0 && !lasted()) throw new ApiError(0, "the watch ended at once");
  }

  #works(): void {
    this.state = "watching";
    if (this.#said !== "") this.#parts.observer.recovered(this.name);
    this.#said = "";
  }

  #event(line: string): void {
    let event: { type?: unknown; object?: RawObject };
    try {
      event = JSON.parse(line) as typeof event;
    } catch {
      this.#version = undefined;
      throw new ApiError(0, "an event that is not JSON");
    }
    const { type, object } = event;
    if (type === "ERROR") throw new ApiError(object?.code ?? 0, object?.message ?? "an ERROR event");
    const version = object?.metadata?.resourceVersion;
    if (typeof type !== "string" || typeof object !== "object" || object === null || version === undefined) {
      this.#version = undefined;
      throw new ApiError(0, "what is not an event");
    }
    if (type === "ADDED" || type === "MODIFIED") {
      this.#put(this.#objects, object);
      this.#parts.observer.changed();
    } else if (type === "DELETED") {
      this.#objects.delete(keyOf(object));
      this.#parts.observer.changed();
    }
    // Only now: a version whose event was not taken in would be skipped by the next watch.
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

function keyOf({ metadata }: RawObject): string {
  return `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
}
