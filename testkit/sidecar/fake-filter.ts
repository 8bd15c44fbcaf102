// A filter that keeps the rules of protocol/README.md: it stores pushed snapshots, refuses what the real filter refuses, and
// answers with traffic reports, also to polls.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import {
  CODE_LEASED,
  CODE_MALFORMED,
  CODE_METHOD,
  CODE_OUTDATED,
  CODE_TOO_LARGE,
  CODE_UNAUTHENTICATED,
  PIECE_BYTES,
  POLL_HEADER,
  REPORT_HEADER,
  SECRET_HEADER,
  SNAPSHOT_PATH,
} from "../../protocol/constants.ts";
import { decodeSnapshot } from "../../protocol/decode.ts";
import type { ModelSums } from "../../protocol/model-sums.ts";
import type { PrefixRecord, RemoteCounts, SnapshotView } from "../../protocol/snapshot.ts";
import { decodePrefixes, encodePrefixes } from "../../protocol/traffic.ts";
import { decodeTrafficPush, encodeReport, isTrafficPush, type TrafficPush } from "../../protocol/traffic-report.ts";
import { type Handler, type Listening, listen } from "./listen.ts";

export const SECRET = "a-secret-of-the-tests";

export interface FakeFilter extends Listening {
  secret: string;
  maxBytes: number;
  stored: SnapshotView | undefined;
  /** Statuses of the answers so far. */
  answers: number[];
  connections: number;
  /** Each answer waits for this promise. */
  hold: Promise<void> | undefined;
  /** The Envoy's id and counts in its traffic reports. */
  instance: bigint;
  emptied: number;
  usesQueues: boolean;
  ejections: number;
  counts: Map<bigint, RemoteCounts>;
  sums: Map<bigint, ModelSums>;
  /** The next traffic report takes these records and leaves the list empty. */
  prefixes: PrefixRecord[];
  /** Traffic reports that were given by GET, and how many of these GETs were polls. */
  reportsRead: number;
  polls: number;
  /** False: the filter is of a release without polls and traffic pushes. */
  polling: boolean;
  /** The collector: its id, the Envoys that it knows, and when its lease ends (performance.now()). */
  lease: { collector: number; envoys: number; until: number };
  /** The last traffic push, and the number of traffic pushes. */
  traffic: TrafficPush | undefined;
  trafficPushes: number;
  /** The prefix records of all traffic pushes. */
  received: PrefixRecord[];
  /** False: the filter is of a release without traffic reports. */
  reporting: boolean;
  /** Remaining time of another sidecar's lease. While the value is set, the filter refuses all pushes. */
  heldMs: number | undefined;
  /** Body of the last accepted push. */
  bytes: number;
  /** If set, this function answers instead of the filter. */
  instead: Handler | undefined;
}

function refusal(response: ServerResponse, status: number, code: string, more: object = {}): void {
  const error = { message: `refused: ${code}`, type: "invalid_request_error", code };
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ error, ...more }));
}

let instances = 100n;
const GRACE_MS = 250;

/** A number that differs when the counts differ, never 0. */
function newsOf(counts: ReadonlyMap<bigint, RemoteCounts>): number {
  let hash = 1;
  for (const [endpoint, { requests, pending, sent }] of counts)
    for (const value of [Number(endpoint % 1_000_003n), requests, pending, sent])
      hash = (Math.imul(hash, 31) + value) >>> 0;
  return hash || 1;
}

export async function startFilter(port = 0, tls?: ServerOptions): Promise<FakeFilter> {
  const report = (version: bigint): Uint8Array => {
    const prefixes = encodePrefixes(filter.prefixes.splice(0));
    const { instance, emptied, usesQueues, ejections, counts, sums, polling } = filter;
    const pieceBytes = PIECE_BYTES;
    const news = polling ? newsOf(counts) : 0;
    const collector = polling ? collectorNow() : 0;
    const of = {
      version,
      instance,
      emptied,
      pieceBytes,
      usesQueues,
      ejections,
      ring: 1n,
      end: 0n,
      news,
      collector,
    };
    return encodeReport({ ...of, counts, sums, prefixes });
  };
  const collectorNow = (): number => (filter.lease.until > performance.now() ? filter.lease.collector : 0);
  /** Answers a poll as assembly/filter/reserved/polls.ts does. */
  const poll = (asked: string, response: ServerResponse): void => {
    const [ms = 0, news, known, collector = 0, envoys = 0] = asked.split(".").map(Number);
    filter.polls++;
    const until = performance.now() + ms;
    const { lease } = filter;
    const holder = collectorNow();
    const better = envoys > lease.envoys || (envoys === lease.envoys && collector < lease.collector);
    if (collector !== 0 && (holder === 0 || holder === collector || better))
      filter.lease = { collector, envoys, until: until + GRACE_MS };
    const end = (): void => {
      if (filter.lease.collector === collector) filter.lease.until = performance.now() + GRACE_MS;
    };
    const look = (): void => {
      if (response.destroyed) {
        end();
        return;
      }
      const changed = collector !== 0 && (newsOf(filter.counts) !== news || filter.prefixes.length > 0);
      if (!changed && collectorNow() === known && performance.now() < until) {
        setTimeout(look, 5);
        return;
      }
      if (collector !== 0) end();
      filter.reportsRead++;
      response.end(report(filter.stored?.version ?? 0n));
    };
    look();
  };
  const receive = (request: IncomingMessage, response: ServerResponse, body: Buffer): unknown => {
    if (filter.instead !== undefined) return filter.instead(request, response);
    if (request.url !== SNAPSHOT_PATH) return response.writeHead(404).end("no such path");
    if (request.headers[SECRET_HEADER] !== filter.secret) return refusal(response, 401, CODE_UNAUTHENTICATED);
    const asked = filter.reporting && request.headers[REPORT_HEADER] !== undefined;
    const polled = request.headers[POLL_HEADER];
    if (request.method === "GET" && asked && filter.polling && typeof polled === "string")
      return poll(polled, response);
    if (request.method === "GET" && asked) {
      filter.reportsRead++;
      return response.end(report(filter.stored?.version ?? 0n));
    }
    if (request.method !== "POST") return refusal(response, 405, CODE_METHOD);
    if (filter.heldMs !== undefined) return refusal(response, 409, CODE_LEASED, { heldMs: filter.heldMs });
    if (body.length > filter.maxBytes) return refusal(response, 413, CODE_TOO_LARGE);
    if (filter.polling && isTrafficPush(body)) {
      filter.traffic = decodeTrafficPush(body);
      filter.received.push(...decodePrefixes(filter.traffic.prefixes, "prefixes"));
      filter.trafficPushes++;
      return response.end("{}");
    }
    let view: SnapshotView;
    try {
      view = decodeSnapshot(body);
    } catch {
      return refusal(response, 400, CODE_MALFORMED);
    }
    if (filter.stored !== undefined && view.version <= filter.stored.version) {
      return refusal(response, 409, CODE_OUTDATED, { version: String(filter.stored.version) });
    }
    filter.stored = view;
    filter.bytes = body.length;
    if (asked) return response.end(report(view.version));
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ version: String(view.version) }));
  };
  const serve: Handler = (request, response) => {
    const chunks: Buffer[] = [];
    let traffic = false;
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", async () => {
      await filter.hold;
      const body = Buffer.concat(chunks);
      traffic = isTrafficPush(body);
      receive(request, response, body);
    });
    response.on("finish", () => {
      if (request.method === "POST" && !traffic) filter.answers.push(response.statusCode);
    });
  };
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  const filter: FakeFilter = {
    ...(await listen(server, port)),
    secret: SECRET,
    maxBytes: 1 << 20,
    stored: undefined,
    answers: [],
    connections: 0,
    instance: instances++,
    emptied: 1,
    usesQueues: false,
    ejections: 0,
    counts: new Map(),
    sums: new Map(),
    prefixes: [],
    reportsRead: 0,
    polls: 0,
    polling: true,
    lease: { collector: 0, envoys: 0, until: 0 },
    traffic: undefined,
    trafficPushes: 0,
    received: [],
    reporting: true,
    heldMs: undefined,
    bytes: 0,
    hold: undefined,
    instead: undefined,
  };
  server.on("connection", () => filter.connections++);
  return filter;
}
