// One HTTP stream through one or more filters, from the first header to the access log.
import type { Direction, PropertyValue } from "./contexts.ts";
import { Filter, type FilterStream } from "./filter.ts";
import { type HeaderInput, HeaderMap } from "./headers.ts";
import { feed, type RequestInput, type ResponseInput, requestHeaders, responseHeaders } from "./message.ts";
import type { Root } from "./root.ts";
import { type Sink, Wire } from "./wire.ts";

export interface StreamOptions {
  /** per_connection_buffer_limit_bytes. If more bytes of a request are buffered, Envoy responds 413. */
  bufferLimit?: number;
  /** Stream properties by dotted path (`xds.route_name`). The emulator computes other properties itself. */
  properties?: Record<string, PropertyValue>;
}

interface LocalResponse {
  status: number;
  details: string;
  headers: HeaderMap;
  body: Buffer;
}

/** continue: all bytes went on. stopped: a filter keeps bytes back. replied: the filter or Envoy sent a local reply. */
type Action = "continue" | "stopped" | "replied";

export interface Outcome {
  action: Action;
  /** The headers as they went upstream; undefined while a filter keeps them back. */
  requestHeaders: HeaderMap | undefined;
  requestTrailers: HeaderMap | undefined;
  body: Buffer;
  localResponse: LocalResponse | undefined;
  /** The filter state that set_property wrote, by name without Envoy's prefix "wasm.". */
  filterState: Map<string, string>;
}

interface ResponseOutcome {
  action: Action;
  status: number | undefined;
  headers: HeaderMap | undefined;
  trailers: HeaderMap | undefined;
  body: Buffer;
  ended: boolean;
}

export class Stream implements FilterStream {
  readonly filters: Filter[];
  readonly bufferLimit: number;
  readonly properties: Map<string, PropertyValue>;
  readonly filterState = new Map<string, Buffer>();
  readonly hostCalls = new Map<string, number>();
  allocations = 0;
  routeClears = 0;
  requestHeaders: HeaderMap | undefined;
  responseHeaders: HeaderMap | undefined;
  responseTrailers: HeaderMap | undefined;
  localResponse: LocalResponse | undefined;
  phase: "open" | "logging" | "finished" = "open";

  readonly #memoryBefore: number;
  readonly #toUpstream = new Wire((wire) => this.#checkLength("request", wire));
  readonly #toClient = new Wire((wire) => this.#checkLength("response", wire));
  readonly #requestIn: Sink;
  readonly #responseIn: Sink;
  #pendingReply: LocalResponse | undefined;
  #depth = 0;

  /** Filters in the order of the request; the response goes the other way. */
  constructor(roots: Root | Root[], options: StreamOptions = {}) {
    this.bufferLimit = options.bufferLimit ?? 1024 * 1024;
    this.properties = new Map(Object.entries(options.properties ?? {}));
    this.filters = this.#chain([roots].flat());
    this.#requestIn = this.filters[0]?.request ?? this.#toUpstream;
    this.#responseIn = this.filters.at(-1)?.response ?? this.#toClient;
    this.#memoryBefore = this.#memory();
  }

  send(input: RequestInput = {}): Outcome {
    feed(input, {
      headers: (end) => this.sendHeaders(requestHeaders(input), end),
      body: (bytes, end) => this.sendBody(bytes, end),
      trailers: (map) => this.sendTrailers(map),
      open: () => !this.isClosed("request"),
    });
    return this.outcome;
  }

  sendHeaders(headers: HeaderInput | HeaderMap, end = false): Outcome {
    const map = headers instanceof HeaderMap ? headers : HeaderMap.from(headers);
    this.requestHeaders = map;
    return this.event(() => this.#requestIn.headers(map, end));
  }

  sendBody(bytes: string | Uint8Array, end = false): Outcome {
    return this.event(() => this.#requestIn.data(Buffer.from(bytes as string), end));
  }

  sendTrailers(trailers: HeaderInput): Outcome {
    return this.event(() => this.#requestIn.trailers(HeaderMap.from(trailers)));
  }

  /** Sends the upstream's response into the filters. The request must have left the filters. */
  respond(input: ResponseInput = {}): ResponseOutcome {
    if (!this.#toUpstream.headersMap) throw new Error("respond(): the request was not forwarded");
    if (input.upstreamAddress !== undefined) this.properties.set("upstream.address", input.upstreamAddress);
    const headers = responseHeaders(input);
    this.responseHeaders = headers;
    feed(input, {
      headers: (end) => this.event(() => this.#responseIn.headers(headers, end)),
      body: (bytes, end) => this.responseBody(bytes, end),
      trailers: (map) => this.event(() => this.#responseIn.trailers(this.#keepTrailers(map))),
      open: () => !this.isClosed("response"),
    });
    return this.responseOutcome;
  }

  responseBody(bytes: string | Uint8Array, end = false): ResponseOutcome {
    this.event(() => this.#responseIn.data(Buffer.from(bytes as string), end));
    return this.responseOutcome;
  }

  get outcome(): Outcome {
    return {
      action: this.#action("request"),
      requestHeaders: this.#toUpstream.headersMap,
      requestTrailers: this.#toUpstream.trailersMap,
      body: this.#toUpstream.body,
      localResponse: this.localResponse,
      filterState: new Map([...this.filterState].map(([key, value]) => [key, value.toString("utf8")])),
    };
  }

  get responseOutcome(): ResponseOutcome {
    const wire = this.#toClient;
    const status = wire.headersMap?.get(":status");
    return {
      action: this.#action("response"),
      status: status === undefined ? undefined : Number(status),
      headers: wire.headersMap,
      trailers: wire.trailersMap,
      body: wire.body,
      ended: wire.ended,
    };
  }

  /** Ends the stream regularly: the client received the whole response. */
  finish(): void {
    if (!this.localResponse && !this.#toClient.ended) {
      throw new Error(
        this.outcome.action === "stopped"
          ? "finish(): a filter keeps the request back; in Envoy it would hang until a timeout"
          : "finish(): the response has not ended; use abort() for a client or upstream that goes away",
      );
    }
    this.#end();
  }

  /** Ends the stream as if the client or the upstream had gone away. */
  abort(): void {
    this.#end();
  }

  /** Returns the number of host calls on this stream so far: those with this name, or all calls. */
  hostCallCount(name?: string): number {
    if (name !== undefined) return this.hostCalls.get(name) ?? 0;
    return [...this.hostCalls.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Returns the bytes by which the VMs' memories have grown since the stream began. */
  memoryGrowth(): number {
    return this.#memory() - this.#memoryBefore;
  }

  isClosed(direction: Direction): boolean {
    if (this.phase !== "open") return true;
    return direction === "request" && (this.localResponse ?? this.#pendingReply) !== undefined;
  }

  #action(direction: Direction): Action {
    if (this.localResponse) return "replied";
    return this.filters.some((filter) => filter[direction].stopped) ? "stopped" : "continue";
  }

  get responseStarted(): boolean {
    return this.#toClient.headersMap !== undefined;
  }

  get replied(): boolean {
    return (this.localResponse ?? this.#pendingReply) !== undefined;
  }

  bodyModified(direction: Direction): void {
    (direction === "request" ? this.#toUpstream : this.#toClient).modified = true;
  }

  /**
   * Sends a local reply. It waits until no callback of this stream runs, then goes through the response side of the filters.
   */
  localReply(status: number, details: string, headers: [string, Uint8Array][], body: Buffer): void {
    const map = HeaderMap.from({ ":status": String(status) });
    for (const [name, value] of headers) map.add(name, value);
    if (body.length > 0) {
      map.replace("content-length", String(body.length));
      if (!map.has("content-type")) map.add("content-type", "text/plain");
    } else {
      map.remove("content-length");
      map.remove("content-type");
    }
    this.#pendingReply = { status, details, headers: map, body };
    if (this.#depth === 0) this.event(() => {});
  }

  bufferOverflow(direction: Direction): void {
    if (direction === "request") {
      this.localReply(413, "request_payload_too_large", [], Buffer.from("Payload Too Large"));
    } else {
      this.localReply(500, "response_payload_too_large", [], Buffer.from("Internal Server Error"));
    }
  }

  /**
   * Runs `work` as one event of Envoy's loop. Then sends the local reply that `work` asked for, and wakes the owners of
   * queues.
   */
  event(work: () => void): Outcome {
    if (this.phase !== "open") throw new Error("the stream is over");
    this.#depth++;
    try {
      work();
    } finally {
      this.#depth--;
    }
    const reply = this.#pendingReply;
    if (reply && this.#depth === 0 && !this.localResponse) {
      this.localResponse = { ...reply, headers: reply.headers.clone() };
      this.responseHeaders = reply.headers;
      const { body, headers } = reply;
      this.event(() => this.#responseIn.headers(headers, body.length === 0));
      if (body.length > 0) this.event(() => this.#responseIn.data(body, true));
      this.localResponse = { ...this.localResponse, headers: this.#toClient.headersMap ?? headers };
    }
    if (this.#depth === 0) for (const filter of this.filters) filter.root.vm.process.afterEvent();
    return this.outcome;
  }

  /** Builds the filters. A request goes through the first filter first; a response goes through the last filter first. */
  #chain(roots: readonly Root[]): Filter[] {
    const filters: Filter[] = roots.map((root, i) => {
      const request = () => filters[i + 1]?.request ?? this.#toUpstream;
      const response = () => filters[i - 1]?.response ?? this.#toClient;
      return new Filter(root, this, { request, response });
    });
    return filters;
  }

  #keepTrailers(input: HeaderInput): HeaderMap {
    this.responseTrailers = HeaderMap.from(input);
    return this.responseTrailers;
  }

  /** Ends the stream in Envoy's order: all access logs first, then done and delete, filter by filter. */
  #end(): void {
    if (this.phase !== "open") throw new Error("the stream is over");
    this.phase = "logging";
    for (const filter of this.filters) {
      if (!filter.created) filter.create();
      filter.call("proxy_on_log");
    }
    this.phase = "finished";
    for (const filter of this.filters) {
      filter.call("proxy_on_done");
      filter.call("proxy_on_delete");
      filter.root.vm.contexts.delete(filter.id);
    }
    for (const filter of this.filters) filter.root.vm.process.afterEvent();
  }

  #checkLength(direction: Direction, wire: Wire): void {
    const length = wire.headersMap?.get("content-length");
    if (!wire.modified || length === undefined || Number(length) === wire.body.length) return;
    const vm = this.filters[0]?.root.vm;
    vm?.refuse(
      0,
      `the ${direction}'s content-length says ${length}, but after set_buffer_bytes the body has ${wire.body.length} bytes`,
    );
  }

  #memory(): number {
    return [...new Set(this.filters.map((filter) => filter.root.vm))].reduce((sum, vm) => sum + vm.memoryBytes(), 0);
  }
}
