// The sidecar's HTTP server. Its paths:
//
//   /                          the status page; /status has its content as JSON
//   /healthz, /readyz          for the kubelet
//   /metrics                   for Prometheus
//   /objects                   the objects of clusters and manifests
//   /pools                     load per pool; /pools/NAMESPACE/NAME for an autoscaler that reads JSON
//   VIEW_PATH, SNAPSHOT_PATH   with the secret: for sidecars of other clusters, and for `pilotfish plan`
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";
import { SECRET_HEADER, SNAPSHOT_PATH, VIEW_PATH } from "../protocol/constants.ts";
import type { PoolLoad } from "./pools.ts";
import { PAGE, PAGE_HEADERS } from "./status/page.ts";
import type { Readiness, Status } from "./status/status.ts";

export interface OwnServer {
  url: string;
  close(): Promise<void>;
}

/** The functions that make the responses. */
interface Answers {
  registry: Registry;
  readiness(): Readiness;
  objects(): object;
  /** Returns the view for sidecars of other clusters (peers/view.ts); undefined: the secret is wrong. */
  view(secret: string | undefined, sums: boolean): object | undefined;
  /** Returns the snapshot as it would be pushed; undefined: the secret is wrong. */
  snapshot(secret: string | undefined): Uint8Array | undefined;
  pools(): readonly PoolLoad[];
  status(): Promise<Status>;
}

/** Starts the server. Rejects if the address is in use, or does not belong to this machine. */
export async function startServer(at: { host: string; port: number }, answers: Answers): Promise<OwnServer> {
  const server = createServer((request, response) => {
    answer(request, response, answers).catch((error: Error) => {
      if (!response.headersSent) sendError(response, 500, "internal", error.message);
      else response.destroy();
    });
  });
  const { address, family, port } = await listen(server, at.host, at.port);
  const host = family === "IPv6" ? `[${address}]` : address;
  return {
    url: `http://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, answers: Answers): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return sendError(response, 405, "method_not_allowed", "expected GET or HEAD");
  }
  const [path = "/", query = ""] = (request.url ?? "/").split("?");
  const header = request.headers[SECRET_HEADER];
  const secret = typeof header === "string" ? header : undefined;
  if (path === VIEW_PATH) return answerWithSecret(response, answers.view(secret, query === "sums=1"));
  if (path === SNAPSHOT_PATH) return answerWithSecret(response, answers.snapshot(secret));
  return answerOpen(path, response, answers);
}

/** Responds with the content. `content` is undefined if the request had a wrong secret. */
function answerWithSecret(response: ServerResponse, content: object | undefined): void {
  if (content === undefined) {
    sendError(response, 401, "view_unauthenticated", `the header ${SECRET_HEADER} does not hold the secret`);
  } else if (content instanceof Uint8Array) {
    response.writeHead(200, { "content-type": "application/octet-stream" }).end(content);
  } else {
    sendJson(response, 200, content);
  }
}

const PATHS = "/, /status, /healthz, /readyz, /metrics, /objects, /pools or /pools/NAMESPACE/NAME";

async function answerOpen(path: string, response: ServerResponse, answers: Answers): Promise<void> {
  const { registry, readiness, objects, pools, status } = answers;
  if (path === "/") {
    for (const [name, value] of Object.entries(PAGE_HEADERS)) response.setHeader(name, value);
    return send(response, 200, "text/html; charset=utf-8", PAGE);
  }
  if (path === "/status") return sendJson(response, 200, await status());
  if (path === "/pools") return sendJson(response, 200, { pools: pools() });
  if (path.startsWith("/pools/")) return answerPool(path, response, pools());
  if (path === "/objects") return sendJson(response, 200, objects());
  if (path === "/healthz") return sendJson(response, 200, { alive: true });
  if (path === "/readyz") {
    const state = readiness();
    return sendJson(response, state.ready ? 200 : 503, state);
  }
  if (path === "/metrics") return send(response, 200, registry.contentType, await registry.metrics());
  sendError(response, 404, "not_found", `${path}: expected ${PATHS}`);
}

/**
 * Responds with the load of a pool. The JSON is flat, so that KEDA's metrics-api can read it: `valueLocation: waiting`. Pods
 * that no cluster lists are in /pools/static.
 */
function answerPool(path: string, response: ServerResponse, pools: readonly PoolLoad[]): void {
  const pathOf = ({ namespace, name }: PoolLoad) => `/pools/${namespace === "" ? name : `${namespace}/${name}`}`;
  const found = pools.find((pool) => pathOf(pool) === path);
  if (found !== undefined) {
    sendJson(response, 200, found);
    return;
  }
  const known = pools.map(pathOf).join(", ") || "none, since no pool is known yet";
  sendError(response, 404, "pool_not_found", `${path}: no such pool, expected one of ${known}`);
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  sendJson(response, status, { error: { message, code } });
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, "application/json", `${JSON.stringify(body)}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(host !== "" && { host }) }, () => {
      server.removeListener("error", reject);
      resolve(server.address() as AddressInfo);
    });
  });
}
