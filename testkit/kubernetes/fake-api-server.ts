// A list-and-watch server that answers as kube-apiserver 1.34 does: discovery, versions, pages and bookmarks. An expired version
// gets 200 with an ERROR event on a watch, and 410 on a list. A version of the future gets a 200 without events. The server keeps
// its objects in memory, and refuses all other requests with 501. Tests use it if the real server has not been built, and for
// events that are rare on a real server. Benches use it to give the endpoint picker its pods.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { freePorts } from "../ports.ts";
import { discoveryOf, type KubeObject, kindOf } from "./resources.ts";

interface Event {
  version: number;
  resource: string;
  before: KubeObject | undefined;
  after: KubeObject | undefined;
}

interface OpenWatch {
  resource: string;
  namespace: string | undefined;
  selector: string;
  response: ServerResponse;
}

export const TOKEN = "token-of-the-tests";

export class FakeApiServer {
  /** The resources that exist: `apis/GROUP/VERSION/PLURAL` or `api/v1/PLURAL`. */
  readonly installed = new Set<string>();
  /** Plurals of resources that the sidecar may not read. */
  readonly forbidden = new Set<string>();
  /** Whether requests need TOKEN. Go's client sends a token over TLS only, and this server has no TLS. */
  needsToken = true;
  /** If set, this function answers every request instead of the server. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  bookmarks = true;
  pageSize = Number.POSITIVE_INFINITY;
  /** If it returns true, the server refuses the next page of a list with 410. */
  expireTokens: () => boolean = () => false;
  /** Path and query of each request. */
  requests: string[] = [];
  #version = 100;
  #expired = 0;
  readonly #objects = new Map<string, { resource: string; object: KubeObject }>();
  #events: Event[] = [];
  readonly #watches = new Set<OpenWatch>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #server: Server | undefined;
  #sockets = new Set<Socket>();
  #port = 0;

  async start(): Promise<this> {
    const server = createServer((request, response) => this.#answer(request, response));
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    // The port stays the same after a restart, and no other program gets the port meanwhile.
    if (this.#port === 0) [this.#port = 0] = await freePorts(1);
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#server = server;
    return this;
  }

  get port(): number {
    return this.#port;
  }

  get watching(): number {
    return this.#watches.size;
  }

  /** Ends the server like kill -9: streams break and nothing listens. The objects stay. */
  async kill(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#watches.clear();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  /** Makes all versions up to now expire, as after a compaction and a restart. */
  expire(): void {
    this.#expired = this.#version;
    this.#events = [];
  }

  put(resource: string, object: KubeObject): KubeObject {
    const key = `${resource} ${object.metadata.namespace ?? ""}/${object.metadata.name}`;
    const before = this.#objects.get(key)?.object;
    const after = structuredClone(object);
    const number = String(++this.#version);
    after.metadata.resourceVersion = number;
    after.metadata.uid = before?.metadata.uid ?? `00000000-0000-4000-8000-${number.padStart(12, "0")}`;
    after.metadata.creationTimestamp = before?.metadata.creationTimestamp ?? new Date().toISOString();
    this.#objects.set(key, { resource, object: after });
    this.#record({ version: this.#version, resource, before, after });
    return after;
  }

  remove(resource: string, namespace: string, name: string): void {
    const key = `${resource} ${namespace}/${name}`;
    const before = this.#objects.get(key)?.object;
    if (before === undefined) return;
    this.#objects.delete(key);
    this.#record({ version: ++this.#version, resource, before, after: undefined });
  }

  /** Removes all objects of a resource, as the removal of its CRD does. */
  removeAll(resource: string): void {
    for (const { resource: of, object } of [...this.#objects.values()]) {
      if (of === resource) this.remove(resource, object.metadata.namespace ?? "", object.metadata.name);
    }
  }

  #record(event: Event): void {
    this.#events.push(event);
    for (const watch of this.#watches) this.#send(watch, event);
  }

  /** Sends text unchanged to every open watch. */
  sendRaw(text: string): void {
    for (const { response } of this.#watches) response.write(text);
  }

  #send({ resource, namespace, selector, response }: OpenWatch, event: Event): void {
    if (event.resource !== resource) return;
    const was = event.before !== undefined && matches(event.before, namespace, selector);
    const is = event.after !== undefined && matches(event.after, namespace, selector);
    const type = is ? (was ? "MODIFIED" : "ADDED") : "DELETED";
    if (!is && !was) return;
    const object = structuredClone((event.after ?? event.before) as KubeObject);
    object.metadata.resourceVersion = String(event.version);
    response.write(`${JSON.stringify({ type, object })}\n`);
  }

  #answer(request: IncomingMessage, response: ServerResponse): unknown {
    this.requests.push(request.url ?? "");
    if (this.instead !== undefined) return this.instead(request, response);
    if (this.needsToken && request.headers.authorization !== `Bearer ${TOKEN}`)
      return refuse(response, 401, "Unauthorized");
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const found = request.method === "GET" ? discoveryOf(url.pathname, this.installed) : undefined;
    if (found !== undefined) return json(response, 200, found);
    const path = /^\/(api\/v1|apis\/[^/]+\/[^/]+)\/(?:namespaces\/([^/]+)\/)?([a-z]+)$/.exec(url.pathname);
    if (path === null || request.method !== "GET")
      return refuse(response, 501, `${request.method} ${request.url} is not part of this server`);
    const [, api, namespace, plural] = path;
    const resource = `${api}/${plural}`;
    if (this.forbidden.has(plural as string)) return refuse(response, 403, `${plural} is forbidden`);
    if (!this.installed.has(resource)) return refuse(response, 404, "the server could not find the requested resource");
    const query = url.searchParams;
    const selector = query.get("labelSelector") ?? "";
    if (["true", "1"].includes(query.get("watch") ?? ""))
      this.#watch({ resource, namespace, selector, response }, query);
    else this.#list({ resource, namespace, selector, response }, query);
  }

  #list({ resource, namespace, selector, response }: OpenWatch, query: URLSearchParams): unknown {
    const [at, from] = (query.get("continue") ?? `${this.#version} 0`).split(" ").map(Number) as [number, number];
    const further = query.has("continue");
    if (further && (at < this.#expired || this.expireTokens()))
      return refuse(response, 410, "The provided continue parameter is too old");
    const all = [...this.#objects.values()]
      .filter((each) => each.resource === resource && matches(each.object, namespace, selector))
      .map(({ object }) => {
        const { apiVersion: _version, kind: _kind, ...item } = object;
        return item;
      });
    const size = Math.min(Number(query.get("limit") ?? all.length) || all.length, this.pageSize);
    const end = Math.min(from + size, all.length);
    const metadata = { resourceVersion: String(at), ...(end < all.length && { continue: `${at} ${end}` }) };
    const { kind, apiVersion } = kindOf(resource);
    return json(response, 200, { kind: `${kind}List`, apiVersion, metadata, items: all.slice(from, end) });
  }

  #watch(watch: OpenWatch, query: URLSearchParams): void {
    const { response } = watch;
    const from = Number(query.get("resourceVersion"));
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    if (from < this.#expired) {
      const object = { kind: "Status", code: 410, reason: "Expired", message: `too old resource version: ${from}` };
      response.end(`${JSON.stringify({ type: "ERROR", object })}\n`);
      return;
    }
    const seconds = query.get("timeoutSeconds");
    const ms = seconds === null ? 3_600_000 : Number(seconds) * 1000;
    if (from > this.#version) {
      this.#later(() => response.end(), ms);
      return;
    }
    if (query.get("sendInitialEvents") === "true") this.#sendInitial(watch);
    else for (const event of this.#events) if (event.version > from) this.#send(watch, event);
    this.#watches.add(watch);
    response.once("close", () => this.#watches.delete(watch));
    this.#later(() => {
      if (this.bookmarks) this.#bookmark(watch);
      response.end();
    }, ms);
  }

  /** A streaming list (KEP-3157): every object as ADDED, then a bookmark that ends the list. */
  #sendInitial(watch: OpenWatch): void {
    for (const { resource, object } of this.#objects.values())
      this.#send(watch, { version: this.#version, resource, before: undefined, after: object });
    this.#bookmark(watch, { "k8s.io/initial-events-end": "true" });
  }

  #bookmark({ resource, response }: OpenWatch, annotations?: Record<string, string>): void {
    const metadata = { resourceVersion: String(this.#version), ...(annotations && { annotations }) };
    response.write(`${JSON.stringify({ type: "BOOKMARK", object: { ...kindOf(resource), metadata } })}\n`);
  }

  #later(action: () => void, ms: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
  }
}

function json(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

function refuse(response: ServerResponse, code: number, message: string): void {
  json(response, code, { kind: "Status", apiVersion: "v1", status: "Failure", code, message });
}

function matches({ metadata }: KubeObject, namespace: string | undefined, selector: string): boolean {
  if (namespace !== undefined && metadata.namespace !== namespace) return false;
  return selector.split(",").every((part) => {
    const [name, value] = part.split("=");
    return part === "" || metadata.labels?.[name as string] === value;
  });
}
