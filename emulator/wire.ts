// The ends of a stream outside the filters. Each end collects the headers, body and trailers that leave the filters.
import type { HeaderMap } from "./headers.ts";

/** What comes after a filter: the next filter, or the wire. */
export interface Sink {
  headers(map: HeaderMap, end: boolean): void;
  data(bytes: Buffer, end: boolean): void;
  trailers(map: HeaderMap): void;
}

/** Collects what leaves the filters in one direction. */
export class Wire implements Sink {
  headersMap: HeaderMap | undefined;
  trailersMap: HeaderMap | undefined;
  body: Buffer = Buffer.alloc(0);
  ended = false;
  /** Whether a filter replaced the body. */
  modified = false;
  readonly #whenEnded: (wire: Wire) => void;

  constructor(whenEnded: (wire: Wire) => void) {
    this.#whenEnded = whenEnded;
  }

  headers(map: HeaderMap, end: boolean): void {
    this.headersMap = map.clone();
    if (end) this.#end();
  }

  data(bytes: Buffer, end: boolean): void {
    this.body = Buffer.concat([this.body, bytes]);
    if (end) this.#end();
  }

  trailers(map: HeaderMap): void {
    this.trailersMap = map.clone();
    this.#end();
  }

  #end(): void {
    this.ended = true;
    this.#whenEnded(this);
  }
}
