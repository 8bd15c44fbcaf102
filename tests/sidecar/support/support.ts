// Real servers for the sidecar's tests: pods that misbehave as they are told, and a filter that keeps the rules of
// protocol/README.md. All on 127.0.0.1, port 0.
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { REPORT_HEADER, SECRET_HEADER, SNAPSHOT_PATH } from "../../../protocol/constants.ts";
import { decodeSnapshot } from "../../../protocol/decode.ts";
import { encodePrefixes, encodeReport, type PrefixRecord, type RemoteCounts } from "../../../protocol/exchange.ts";
import type { SnapshotView } from "../../../protocol/snapshot.ts";
import { parseConfig } from "../../../sidecar/config/load.ts";
import { createLog } from "../../../sidecar/log.ts";
import { type Sidecar, type SidecarParts, startSidecar } from "../../../sidecar/sidecar.ts";

export const SECRET = "a-secret-of-the-tests";
export const capture = (name: string): Buffer =>
  readFileSync(new URL(`../../fixtures/metrics/vllm-0.32-${name}.txt`, import.meta.url));

export interface Listening {
  url: string;
  address: string;
  close(): Promise<void>;
}

export async function listen(server: Server, port = 0): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${address}`,
    address,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface FakePod extends Listening {
  metrics: Handler;
  models: Handler;
  scrapes: number;
  modelReads: number;
  connections: number;
}

export const text =
  (body: string | Buffer): Handler =>
  (_request, response) =>
    response.end(body);
export const gauges = (waiting: number, running: number, kv = 0): Handler =>
  text(
    `vllm:num_requests_waiting{engine="0"} ${waiting}\nvllm:num_requests_running{engine="0"} ${running}\n` +
      `vllm:kv_cache_usage_perc{engine="0"} ${kv}\n`,
  );
export const modelList = (...models: Array<string | readonly [name: string, parent: string]>): Handler =>
  text(JSON.stringify({ data: models.map((m) => (typeof m === "string" ? { id: m } : { id: m[0], parent: m[1] })) }));

export async function startPod(port = 0): Promise<FakePod> {
  const server = createServer((request, response) => {
    if (request.url === "/metrics") {
      pod.scrapes++;
      pod.metrics(request, response);
    } else {
      pod.modelReads++;
      pod.models(request, response);
    }
  });
  const counts = { scrapes: 0, modelReads: 0, connections: 0 };
  const pod: FakePod = { ...(await listen(server, port)), metrics: gauges(0, 0), models: modelList("m"), ...counts };
  server.on("connection", () => pod.connections++);
  return pod;
}

export interface FakeFilter extends Listening {
  secret: string;
  maxBytes: number;
  stored: SnapshotView | undefined;
  /** Statuses of the answers so far. */
  answers: number[];
  connections: number;
  /** Answers wait for it. */
  hold: Promise<void> | undefined;
  /** What its reports say. */
  instance: bigint;
  counts: Map<bigint, RemoteCounts>;
  /** Told once, then gone. */
  prefixes: PrefixRecord[];
  /** How often it was asked without a push. */
  reportsRead: number;
  /** false: a release that knows no reports. */
  reporting: boolean;
  /** A snapshot of another source keeps all pushes off. */
  heldMs: number | undefined;
  /** Body of the last accepted push. */
  bytes: number;
  /** In place of the filter's answer, when set. */
  instead: Handler | undefined;
}

function refusal(response: ServerResponse, status: number, code: string, more: object = {}): void {
  const error = { message: `refused: ${code}`, type: "invalid_request_error", code };
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ error, ...more }));
}

let instances = 100n;

export async function startFilter(port = 0, tls?: ServerOptions): Promise<FakeFilter> {
  const report = (version: bigint): Uint8Array => {
    const prefixes = encodePrefixes(filter.prefixes.splice(0));
    return encodeReport({ version, instance: filter.instance, ring: 1n, end: 0n, counts: filter.counts, prefixes });
  };
  const receive = (request: IncomingMessage, response: ServerResponse, body: Buffer): unknown => {
    if (filter.instead !== undefined) return filter.instead(request, response);
    if (request.url !== SNAPSHOT_PATH) return response.writeHead(404).end("no such path");
    if (request.headers[SECRET_HEADER] !== filter.secret) return refusal(response, 401, "snapshot_unauthenticated");
    const asked = filter.reporting && request.headers[REPORT_HEADER] !== undefined;
    if (request.method === "GET" && asked) {
      filter.reportsRead++;
      return response.end(report(filter.stored?.version ?? 0n));
    }
    if (request.method !== "POST") return refusal(response, 405, "method_not_allowed");
    if (filter.heldMs !== undefined) return refusal(response, 409, "snapshot_held", { heldMs: filter.heldMs });
    if (body.length > filter.maxBytes) return refusal(response, 413, "snapshot_too_large");
    let view: SnapshotView;
    try {
      view = decodeSnapshot(body);
    } catch {
      return refusal(response, 400, "snapshot_malformed");
    }
    if (filter.stored !== undefined && view.version <= filter.stored.version) {
      return refusal(response, 409, "snapshot_outdated", { version: String(filter.stored.version) });
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
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", async () => {
      await filter.hold;
      receive(request, response, Buffer.concat(chunks));
    });
    response.on("finish", () => {
      if (request.method === "POST") filter.answers.push(response.statusCode);
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
    counts: new Map(),
    prefixes: [],
    reportsRead: 0,
    reporting: true,
    heldMs: undefined,
    bytes: 0,
    hold: undefined,
    instead: undefined,
  };
  server.on("connection", () => filter.connections++);
  return filter;
}

type Maybe<T> = T | undefined | false | null;

/** Polls until `check` gives something; fails with `what` after a minute, which a busy machine needs for none of it. */
export async function until<T>(what: string, check: () => Maybe<T> | Promise<Maybe<T>>): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false && value !== null) return value;
    if (Date.now() > deadline) throw new Error(`not within a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export interface Closer {
  after(close: () => Promise<void>): void;
}

export interface Quick {
  endpoints?: readonly string[];
  targets: readonly string[];
  more?: Record<string, unknown>;
  parts?: SidecarParts;
}

/** How long a quick sidecar waits for answers: they come at once, unless nobody means to give one. */
export const TIMEOUT_MS = 2000;

/** A sidecar with short intervals, quiet, on a free port; closed after the test. */
export async function quickSidecar(
  test: Closer,
  { endpoints = [], targets, more = {}, parts }: Quick,
): Promise<Sidecar> {
  const input = {
    endpoints,
    scrape: { interval: "20ms", timeout: `${TIMEOUT_MS}ms`, maxBackoff: "100ms", maxBytes: "256KiB" },
    push: {
      targets,
      interval: "10ms",
      heartbeat: "100ms",
      timeout: `${TIMEOUT_MS}ms`,
      retryMin: "10ms",
      retryMax: "50ms",
    },
    listen: "127.0.0.1:0",
    ...more,
  };
  const sidecar = await startSidecar(parseConfig(input, { PILOTFISH_SECRET: SECRET }), {
    log: createLog("silent"),
    ...parts,
  });
  test.after(() => sidecar.close());
  return sidecar;
}

export const endpointOf = (view: SnapshotView | undefined, address: string) =>
  view?.endpoints.find((endpoint) => endpoint.address === address);
