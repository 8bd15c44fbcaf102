// What the Envoys of a fleet told of their own requests, and for each of them what the others told: the sections REMOTE and
// PREFIXES of its next snapshot (protocol/README.md).
//
// An Envoy counts once, by the id in its reports, whatever addresses it was asked at, and never among its own others. It is
// believed for SILENT_MS after its last report; then it is gone, and its requests with it. Memory: a record for each endpoint
// that an Envoy has requests on, and NEWS_BYTES of prefixes for each Envoy.
import {
  MAX_ENVOYS,
  MAX_PREFIX_WORDS,
  MAX_REMOTE,
  MAX_REMOTE_PENDING,
  PREFIX_COUNT,
  PREFIX_WORD_BYTES,
  REMOTE_BYTES,
} from "../../protocol/constants.ts";
import type { RemoteCounts } from "../../protocol/snapshot.ts";
import { prefixStarts, writeCounts } from "../../protocol/traffic.ts";
import type { TrafficReport } from "../../protocol/traffic-report.ts";
import type { EndpointIndex } from "../snapshot/endpoint-index.ts";

const SILENT_MS = 1500;
/** A worker without requests looks at snapshots every 200 ms: news are repeated for longer than that. */
const NEWS_MS = 500;
/** As many as a snapshot carries. */
const NEWS_BYTES = MAX_PREFIX_WORDS * PREFIX_WORD_BYTES;

interface Heard {
  instance: bigint;
  at: number;
  counts: TrafficReport["counts"];
  ring: bigint;
  end: bigint;
}

interface News {
  instance: bigint;
  at: number;
  bytes: Uint8Array;
}

export interface Others {
  envoys: number;
  /** REMOTE_BYTES for each endpoint. */
  counts: Uint8Array;
  prefixes: Uint8Array;
}

export class Reports {
  readonly #now: () => number;
  /** By the address that was asked. */
  readonly #heard = new Map<string, Heard>();
  #news: News[] = [];
  #number: number;

  /** `first`: below the numbers of all records; above those of an earlier Reports of the same source. */
  constructor(now: () => number, first = 0) {
    this.#now = now;
    this.#number = first;
  }

  /** What to ask an Envoy with: which news of it are known. */
  cursor(origin: string): string {
    const { ring = 0n, end = 0n } = this.#heard.get(origin) ?? {};
    return `${ring}.${end}`;
  }

  /** Whether the others should be told of it. */
  heard(origin: string, { instance, counts, ring, end, prefixes }: TrafficReport): boolean {
    const before = this.#heard.get(origin);
    const at = this.#now();
    this.#heard.set(origin, { instance, at, counts, ring, end });
    // Asked at two addresses, an Envoy tells its news twice: the filters know records that they had.
    if (prefixes.length > 0) this.#keep({ instance, at, bytes: this.#numbered(prefixes) });
    return prefixes.length > 0 || before?.instance !== instance || !sameCounts(before.counts, counts);
  }

  forget(origin: string): void {
    this.#heard.delete(origin);
  }

  /** What others than the Envoy at `origin` told; undefined where no other is known. */
  othersOf(origin: string, index: EndpointIndex): Others | undefined {
    const others = this.#others(origin);
    if (others.length === 0) return undefined;
    const sums = new Map<number, RemoteCounts>();
    for (const { counts } of others) {
      for (const [hash, told] of counts) {
        const place = index.placeOf(hash);
        if (place === undefined) continue;
        const sum = sums.get(place);
        sums.set(place, sum === undefined ? told : sumOf(sum, told));
      }
    }
    const bytes = new Uint8Array(index.size * REMOTE_BYTES);
    const view = new DataView(bytes.buffer);
    for (const [place, sum] of sums) writeCounts(view, place * REMOTE_BYTES, sum);
    return { envoys: others.length, counts: bytes, prefixes: this.#prefixesFor(others) };
  }

  /** Requests in flight that each Envoy told last, by address; for people. */
  get inFlight(): Map<string, number> {
    const fresh = [...this.#heard].filter(([, { at }]) => this.#now() - at < SILENT_MS);
    const total = ({ counts }: Heard) => [...counts.values()].reduce((sum, { requests }) => sum + requests, 0);
    return new Map(fresh.map(([origin, heard]) => [origin, total(heard)]));
  }

  /** One of each instance, the freshest. */
  #others(origin: string): Heard[] {
    const own = this.#heard.get(origin)?.instance;
    const since = this.#now() - SILENT_MS;
    const byInstance = new Map<bigint, Heard>();
    for (const [asked, heard] of this.#heard) {
      if (asked === origin || heard.instance === own || heard.at < since) continue;
      const known = byInstance.get(heard.instance);
      if (known === undefined || known.at < heard.at) byInstance.set(heard.instance, heard);
    }
    return [...byInstance.values()].slice(0, MAX_ENVOYS);
  }

  #numbered(prefixes: Uint8Array): Uint8Array {
    // Not slice(): of a Buffer that is the same memory.
    const bytes = new Uint8Array(prefixes);
    const view = new DataView(bytes.buffer);
    for (const at of prefixStarts(bytes, "prefixes")) {
      const number = ++this.#number;
      view.setUint32(at + PREFIX_COUNT + 2, number % 2 ** 32, true);
      view.setUint16(at + PREFIX_COUNT + 6, Math.floor(number / 2 ** 32), true);
    }
    return bytes;
  }

  #keep(news: News): void {
    const since = this.#now() - NEWS_MS;
    this.#news = this.#news.filter(({ at }) => at >= since);
    this.#news.push(news);
    let bytes = 0;
    for (let i = this.#news.length - 1; i >= 0; i--) {
      const one = this.#news[i] as News;
      if (one.instance === news.instance) bytes += one.bytes.length;
      if (bytes > NEWS_BYTES && one !== news) this.#news.splice(i, 1);
    }
  }

  /** The newest that have room, in the order of their numbers. */
  #prefixesFor(others: readonly Heard[]): Uint8Array {
    const since = this.#now() - NEWS_MS;
    const instances = new Set(others.map(({ instance }) => instance));
    let room = NEWS_BYTES;
    const chosen: Uint8Array[] = [];
    for (const { instance, at, bytes } of this.#news.toReversed()) {
      if (at < since || !instances.has(instance)) continue;
      if (bytes.length > room) break;
      room -= bytes.length;
      chosen.unshift(bytes);
    }
    return chosen.length === 0 ? new Uint8Array(0) : new Uint8Array(Buffer.concat(chosen));
  }
}

function sumOf(a: RemoteCounts, b: RemoteCounts): RemoteCounts {
  const requests = Math.min(a.requests + b.requests, MAX_REMOTE);
  return {
    requests,
    lasted: Math.min(a.lasted + b.lasted, requests),
    pending: Math.min(a.pending + b.pending, MAX_REMOTE_PENDING),
    sent: (a.sent + b.sent) >>> 0,
  };
}

function sameCounts(a: TrafficReport["counts"], b: TrafficReport["counts"]): boolean {
  if (a.size !== b.size) return false;
  for (const [hash, one] of a) {
    const other = b.get(hash);
    if (other === undefined || other.requests !== one.requests || other.lasted !== one.lasted) return false;
    if (other.pending !== one.pending || other.sent !== one.sent) return false;
  }
  return true;
}
