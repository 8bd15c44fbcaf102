// Both ends of a stream outside the filters: what a test feeds in, and what came out.
import type { Sink } from "./half.ts";
import type { HeaderInput, HeaderMap } from "./headers.ts";

/** What a request and a response have in common. */
export interface Message {
  headers?: HeaderInput;
  /** Sent in one piece, with its content-length. */
  body?: string | Uint8Array;
  /** Sent one by one, without a content-length. */
  chunks?: (string | Uint8Array)[];
  /** The end comes as an empty frame of its own, as with HTTP/1 chunked bodies. */
  emptyEnd?: boolean;
  trailers?: HeaderInput;
  /** False: the message stays open after these chunks; go on with `sendBody` or `responseBody`. */
  end?: boolean;
}

/** What came out at the far side of the filters in one direction. */
export class Wire implements Sink {
  headersMap: HeaderMap | undefined;
  trailersMap: HeaderMap | undefined;
  body: Buffer = Buffer.alloc(0);
  ended = false;
  modified = false;
  readonly #check: (wire: Wire) => void;

  constructor(check: (wire: Wire) => void) {
    this.#check = check;
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
    this.#check(this);
  }
}

export function chunksOf(input: Message): (string | Uint8Array)[] {
  return input.body !== undefined ? [input.body] : (input.chunks ?? []);
}

interface Feeder {
  headers(end: boolean): void;
  body(bytes: string | Uint8Array, end: boolean): void;
  trailers(map: HeaderInput): void;
  open(): boolean;
}

export function feed(chunks: (string | Uint8Array)[], input: Message, to: Feeder): void {
  const pieces = chunks.filter((chunk) => chunk.length > 0);
  const complete = input.end ?? true;
  const bare = pieces.length === 0 && !input.trailers && !input.emptyEnd;
  to.headers(bare && complete);
  pieces.forEach((piece, index) => {
    const last = index === pieces.length - 1 && !input.trailers && !input.emptyEnd;
    if (to.open()) to.body(piece, last && complete);
  });
  if (input.emptyEnd && !input.trailers && complete && to.open()) to.body(Buffer.alloc(0), true);
  if (input.trailers && to.open()) to.trailers(input.trailers);
}
