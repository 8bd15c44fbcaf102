// The requests and responses that a test sends into a stream: in one piece, in chunks, or left open.
import { type HeaderInput, HeaderMap } from "./headers.ts";

/** The fields that requests and responses share. */
interface Message {
  headers?: HeaderInput;
  /** The body is sent in one piece, with its content-length. */
  body?: string | Uint8Array;
  /** The chunks are sent one by one, without a content-length. */
  chunks?: (string | Uint8Array)[];
  /** The end comes as an empty frame of its own, as with HTTP/1 chunked bodies. */
  emptyEnd?: boolean;
  trailers?: HeaderInput;
  /** false: the message stays open after these chunks, and the test continues it with `sendBody` or `responseBody`. */
  end?: boolean;
}

export interface RequestInput extends Message {
  method?: string;
  path?: string;
  authority?: string;
}

export interface ResponseInput extends Message {
  status?: number;
  upstreamAddress?: string;
}

export function requestHeaders(input: RequestInput): HeaderMap {
  const { method = "POST", path = "/", authority = "gateway.test" } = input;
  const pseudo = { ":authority": authority, ":path": path, ":method": method, ":scheme": "http" };
  return headersOf(pseudo, input);
}

export function responseHeaders(input: ResponseInput): HeaderMap {
  return headersOf({ ":status": String(input.status ?? 200) }, input);
}

function headersOf(pseudo: Record<string, string>, { headers = {}, body }: Message): HeaderMap {
  const map = HeaderMap.from(pseudo);
  for (const [name, value] of HeaderMap.from(headers).pairs()) map.add(name, value);
  if (body !== undefined && !map.has("content-length")) map.add("content-length", String(Buffer.byteLength(body)));
  return map;
}

interface Feeder {
  headers(end: boolean): void;
  body(bytes: string | Uint8Array, end: boolean): void;
  trailers(map: HeaderInput): void;
  /** Whether this direction is open. A local reply ends it, and the rest of the message is dropped. */
  open(): boolean;
}

export function feed(input: Message, to: Feeder): void {
  const chunks = input.body !== undefined ? [input.body] : (input.chunks ?? []);
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
