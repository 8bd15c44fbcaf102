// A list-and-watch server that answers as kube-apiserver 1.34 was seen to: versions, pages, bookmarks, an expired
// version as 200 with an ERROR event on a watch and as 410 on a list, a version of the future as a silent 200. It
// keeps what it is told in memory. For tests where the real one has not been built, and for what a real one does too
// seldom; what it does not know it refuses with 501.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { freePorts } from "../ports.ts";

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    resourceVersion?: string;
    [key: string]: unknown;
  };
  [key: string]: unknown;
}

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

export class RecordedServer {
  /** `apis/GROUP/VERSION/PLURAL` or `api/v1/PLURAL`: those that are installed. */
  readonly installed = new Set<string>();
  /** Plurals that may not be read. */
  readonly forbidden = new Set<string>();
  /** Answers everything in the place of the server, when set. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  bookmarks = true;
  pageSize = Number.POSITIVE_INFINITY;
  /** Whether a list's next page is refused with 410. */
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
    // The same each time: one that nobody is given meanwhile.
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

  /** As kill -9: streams break, nothing listens; what was stored stays. */
  async kill(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#watches.clear();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  /** Versions up to now are no longer remembered, as after a compaction and a restart. */
  expire(): void {
    this.#expired = this.#version;
    this.#events = [];
  }

  put(resource: string, object: KubeObject): KubeObject {
    const key = `${resource} ${object.metadata.namespace ?? ""}/${object.metadata.name}`;
    const before = this.#objects.get(key)?.object;
    const after = structuredClone(object);
    after.metadata.resourceVersion = String(++this.#version);
    this.#objects.set(key, { resource, object: after });
    this.#tell({ version: this.#version, resource, before, after });
    return after;
  }

  remove(resource: string, namespace: string, name: string): void {
    const key = `${resource} ${namespace}/${name}`;
    const before = this.#objects.get(key)?.object;
    if (before === undefined) return;
    this.#objects.delete(key);
    this.#tell({ version: ++this.#version, resource, before, after: undefined });
  }

  /** As the objects of a CRD that goes. */
  removeAll(resource: string): void {
    for (const { resource: of, object } of [...this.#objects.values()]) {
      if (of === resource) this.remove(resource, object.metadata.namespace ?? "", object.metadata.name);
    }
  }

  #tell(event: Event): void {
    this.#events.push(event);
    for (const watch of this.#watches) this.#send(watch, event);
  }

  /** Text to every open watch, as it stands. */
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
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return refuse(response, 401, "Unauthorized");
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const path = /^\/(api\/v1|apis\/[^/]+\/[^/]+)\/(?:namespaces\/([^/]+)\/)?([a-z]+)$/.exec(url.pathname);
    if (path === null || request.method !== "GET") return refuse(response, 501, `not recorded: ${request.url}`);
    const [, api, namespace, plural] = path;
    const resource = `${api}/${plural}`;
    if (this.forbidden.has(plural as string)) return refuse(response, 403, `${plural} is forbidden`);
    if (!this.installed.has(resource)) return refuse(response, 404, "the server could not find the requested resource");
    const query = url.searchParams;
    const selector = query.get("labelSelector") ?? "";
    if (query.get("watch") === "true") this.#watch({ resource, namespace, selector, response }, query);
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
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ kind: "List", metadata, items: all.slice(from, end) }));
  }

  #watch(watch: OpenWatch, query: URLSearchParams): void {
    const { response, resource } = watch;
    const from = Number(query.get("resourceVersion"));
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    if (from < this.#expired) {
      const object = { kind: "Status", code: 410, reason: "Expired", message: `too old resource version: ${from}` };
      response.end(`${JSON.stringify({ type: "ERROR", object })}\n`);
      return;
    }
    const ms = Number(query.get("timeoutSeconds")) * 1000;
    if (from > this.#version) {
      this.#later(() => response.end(), ms);
      return;
    }
    for (const event of this.#events) if (event.version > from) this.#send(watch, event);
    this.#watches.add(watch);
    response.once("close", () => this.#watches.delete(watch));
    this.#later(() => {
      const metadata = { resourceVersion: String(this.#version) };
      if (this.bookmarks)
        response.write(`${JSON.stringify({ type: "BOOKMARK", object: { kind: resource, metadata } })}\n`);
      response.end();
    }, ms);
  }

  #later(action: () => void, ms: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
  }
}

function refuse(response: ServerResponse, code: number, message: string): void {
  response.writeHead(code, { "content-type": "application/json" });
  response.end(JSON.stringify({ kind: "Status", status: "Failure", code, message }));
}

function matches({ metadata }: KubeObject, namespace: string | undefined, selector: string): boolean {
  if (namespace !== undefined && metadata.namespace !== namespace) return false;
  return selector.split(",").every((part) => {
    const [name, value] = part.split("=");
    return part === "" || metadata.labels?.[name as string] === value;
  });
}
