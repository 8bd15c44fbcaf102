// The sidecar's own endpoints: / is the status page and /status what it shows; /healthz, /readyz, /metrics, /objects: what clusters and manifests say, and /pools: numbers
// for an autoscaler that reads JSON, /pools/NAMESPACE/NAME for one pool.
import { readFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";
import { SECRET_HEADER, SNAPSHOT_PATH, VIEW_PATH } from "../protocol/constants.ts";
import type { PoolLoad } from "./pools.ts";
import type { Readiness, Status } from "./status/status.ts";

export interface OwnServer {
  url: string;
  close(): Promise<void>;
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, "application/json", `${JSON.stringify(body)}\n`);
}

interface Answers {
  registry: Registry;
  readiness(): Readiness;
  objects(): object;
  /** For sidecars of other clusters (peers/view.ts); undefined without the secret. */
  view(secret: string | undefined, sums: boolean): object | undefined;
  /** As pushed, for `pilotfish plan`; undefined without the secret. */
  snapshot(secret: string | undefined): Uint8Array | undefined;
  pools(): readonly PoolLoad[];
  status(): Promise<Status>;
}

const PATHS = "/, /status, /healthz, /readyz, /metrics, /objects, /pools or /pools/NAMESPACE/NAME";

/** It needs nothing from elsewhere and may load nothing from elsewhere. */
const PAGE = readFileSync(new URL("./status/page.html", import.meta.url), "utf8");
const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
};

async function answer(path: string, response: ServerResponse, answers: Answers) {
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
  sendJson(response, 404, {
    error: { message: `${path}: expected ${PATHS}`, code: "not_found" },
  });
}

/** Flat, as KEDA's metrics-api reads it: `valueLocation: waiting`. Pods that no cluster listed are /pools/static. */
function answerPool(path: string, response: ServerResponse, pools: readonly PoolLoad[]): void {
  const wanted = path.slice("/pools/".length);
  const found = pools.find(({ namespace, name }) => (namespace === "" ? name : `${namespace}/${name}`) === wanted);
  if (found !== undefined) {
    sendJson(response, 200, found);
    return;
  }
  const known = pools.map(({ namespace, name }) => `/pools/${namespace === "" ? name : `${namespace}/${name}`}`);
  const message = `${path}: no such pool, expected one of ${known.join(", ") || "none, since none is known yet"}`;
  sendJson(response, 404, { error: { message, code: "pool_not_found" } });
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

/** Rejects when the address is taken or not of this machine. */
export async function startServer(at: { host: string; port: number }, answers: Answers): Promise<OwnServer> {
  const server = createServer((request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      sendJson(response, 405, { error: { message: "expected GET or HEAD", code: "method_not_allowed" } });
      return;
    }
    const [path = "/", query = ""] = (request.url ?? "/").split("?");
    if (path === VIEW_PATH || path === SNAPSHOT_PATH) {
      const header = request.headers[SECRET_HEADER];
      const secret = typeof header === "string" ? header : undefined;
      const view = path === VIEW_PATH ? answers.view(secret, query === "sums=1") : answers.snapshot(secret);
      if (view instanceof Uint8Array) {
        response.writeHead(200, { "content-type": "application/octet-stream" }).end(view);
        return;
      }
      const error = { message: `the header ${SECRET_HEADER} does not hold the secret`, code: "view_unauthenticated" };
      sendJson(response, view === undefined ? 401 : 200, view ?? { error });
      return;
    }
    answer(path, response, answers).catch((error: Error) => {
      if (!response.headersSent) sendJson(response, 500, { error: { message: error.message, code: "internal" } });
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
