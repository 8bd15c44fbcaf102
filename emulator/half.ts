// One direction of one filter on one stream: Envoy's filter manager around the Wasm filter's callbacks. Stopping, buffering
// and continuing follow the rules of FilterManager and of Wasm's Context::decodeData and encodeData.
import { DataStatus, HeadersStatus } from "./codes.ts";
import type { Body, Direction, HalfContext } from "./contexts.ts";
import type { HeaderMap } from "./headers.ts";
import type { Sink } from "./wire.ts";

/** The members of a filter that its halves use. */
export interface HalfOwner {
  /** Whether the guest has a context for this stream. */
  readonly created: boolean;
  readonly allowOnHeadersStopIteration: boolean;
  /** per_connection_buffer_limit_bytes of the stream. */
  readonly bufferLimit: number;
  /** Creates the context if headers of this direction create it. Returns false if this direction skips the filter. */
  ready(direction: Direction): boolean;
  /** Calls an export of the guest for this stream; undefined: the module has no such export. */
  call(name: string, args: number[]): number | undefined;
  /** Whether the stream has ended, or a local reply has ended this direction. */
  closed(direction: Direction): boolean;
  bufferOverflow(direction: Direction): void;
  refuse(sentence: string): void;
}

export class Half implements Sink, HalfContext {
  visibleHeaders: HeaderMap | undefined;
  visibleTrailers: HeaderMap | undefined;
  headersPassed = false;
  inCallback = false;

  readonly #filter: HalfOwner;
  readonly #direction: Direction;
  readonly #sink: () => Sink;
  #state: "continue" | "stopped" | "stoppedAll" = "continue";
  #headers: HeaderMap | undefined;
  #trailers: HeaderMap | undefined;
  #buffer: Body | undefined;
  #chunk: Body | undefined;
  /** The guest last returned StopIterationAndBuffer: the next callback sees all buffered bytes. */
  #buffering = false;
  #limited = false;
  #ended = false;

  constructor(filter: HalfOwner, direction: Direction, sink: () => Sink) {
    this.#filter = filter;
    this.#direction = direction;
    this.#sink = sink;
  }

  get #next(): Sink {
    return this.#sink();
  }

  headers(map: HeaderMap, end: boolean): void {
    this.#headers = map;
    this.#ended = end;
    if (!this.#filter.ready(this.#direction)) {
      this.headersPassed = true;
      this.#next.headers(map, end);
      return;
    }
    this.visibleHeaders = map;
    const status = this.#call("headers", [map.size, end ? 1 : 0]) ?? HeadersStatus.Continue;
    if (this.#closed()) return;
    this.#checkStatus("headers", status, [0, 1, 3, 4]);
    if (status === HeadersStatus.Continue) {
      this.visibleHeaders = undefined;
      this.headersPassed = true;
      this.#next.headers(map, end);
    } else if (status === HeadersStatus.Stop && this.#filter.allowOnHeadersStopIteration) {
      this.#state = "stopped";
    } else {
      this.#state = "stoppedAll";
      this.#limited = status === HeadersStatus.StopAllAndBuffer;
    }
  }

  data(bytes: Buffer, end: boolean): void {
    this.#ended ||= end;
    if (this.#state === "stoppedAll") this.#keep(bytes, this.#limited);
    else if (this.#filter.created) this.#through(bytes, end);
    else this.#next.data(bytes, end);
  }

  #through(bytes: Buffer, end: boolean): void {
    let chunk: Body = { bytes };
    if (this.#buffering) {
      this.#keep(bytes, true);
      if (this.#closed()) return;
      chunk = { bytes: Buffer.alloc(0) };
    }
    this.#chunk = chunk;
    const status = this.#call("body", [this.body()?.bytes.length ?? 0, end ? 1 : 0]) ?? DataStatus.Continue;
    this.#chunk = undefined;
    if (this.#closed()) return;
    this.#checkStatus("body", status, [0, 1, 2, 3]);
    this.#buffering = status === DataStatus.StopAndBuffer;
    if (status === DataStatus.Continue) {
      if (this.#state === "continue") {
        this.#next.data(chunk.bytes, end);
      } else {
        this.#keep(chunk.bytes, false);
        this.resume();
      }
      return;
    }
    this.#state = "stopped";
    if (status === DataStatus.StopNoBuffer) {
      // The guest drops these bytes. At the end of the stream an empty buffer carries the end.
      if (end) this.#keep(Buffer.alloc(0), false);
    } else {
      this.#keep(chunk.bytes, status === DataStatus.StopAndBuffer);
    }
  }

  trailers(map: HeaderMap): void {
    this.#trailers = map;
    this.#ended = true;
    if (this.#state === "stoppedAll") return;
    if (!this.#filter.created) {
      this.#next.trailers(map);
      return;
    }
    this.visibleTrailers = map;
    const status = this.#call("trailers", [map.size]) ?? 0;
    if (this.#closed()) return;
    this.#checkStatus("trailers", status, [0, 1]);
    if (status !== 0) {
      this.#state = "stopped";
      return;
    }
    this.visibleTrailers = undefined;
    if (this.#state === "stopped") this.resume();
    else this.#next.trailers(map);
  }

  /**
   * Continues as Envoy's commonContinue does. After StopAll the body goes through this filter, otherwise to the next filter.
   */
  resume(): void {
    if (this.#closed()) return;
    const again = this.#state === "stoppedAll";
    this.#state = "continue";
    const headers = this.#headers;
    const trailers = this.#trailers;
    const buffer = this.#buffer;
    this.#buffer = undefined;
    this.#buffering = false;
    if (headers && !this.headersPassed) {
      this.headersPassed = true;
      this.#next.headers(headers, this.#ended && !buffer && !trailers);
    }
    if (buffer) {
      const end = this.#ended && !trailers;
      if (again) this.data(buffer.bytes, end);
      else this.#next.data(buffer.bytes, end);
    }
    if (!trailers) return;
    if (again) this.trailers(trailers);
    else this.#next.trailers(trailers);
  }

  get stopped(): boolean {
    return this.#state !== "continue";
  }

  body(): Body | undefined {
    return this.#buffering ? this.#buffer : this.#chunk;
  }

  #keep(bytes: Buffer, limited: boolean): void {
    const kept = this.#buffer?.bytes;
    this.#buffer = { bytes: kept ? Buffer.concat([kept, bytes]) : bytes };
    if (limited && this.#buffer.bytes.length > this.#filter.bufferLimit) this.#filter.bufferOverflow(this.#direction);
  }

  #call(part: "headers" | "body" | "trailers", args: number[]): number | undefined {
    this.inCallback = true;
    try {
      return this.#filter.call(`proxy_on_${this.#direction}_${part}`, args);
    } finally {
      this.inCallback = false;
    }
  }

  #closed(): boolean {
    return this.#filter.closed(this.#direction);
  }

  #checkStatus(part: string, status: number, known: number[]): void {
    if (known.includes(status)) return;
    this.#filter.refuse(`proxy_on_${this.#direction}_${part} returned ${status}; the ABI has ${known.join(", ")}`);
  }
}
