// Reads responses of HTTP/1.1 to GET requests from the bytes of a connection:
//
//   response = head CRLF body
//   head     = "HTTP/1." ("0" | "1") SP status reason CRLF ( name ":" value CRLF )*        at most 16 KiB
//   body     = chunks      with transfer-encoding "chunked"
//            | N bytes     with content-length N
//            | all bytes to the end of the connection
//   chunks   = ( size extension? CRLF bytes CRLF )* "0" extension? CRLF trailers CRLF
//
// Anything else fails the request, and the connection is not used again: the reader never guesses where a response ends.
// A body that arrives in one piece is handed on without a copy. Any other body is assembled in a buffer.
import { tooLarge } from "../http.ts";
import { type Head, invalid, parseHead } from "./response-head.ts";

const LF = 0x0a;
const CR = 0x0d;
const MAX_HEAD = 16 << 10;
const MAX_SIZE_LINE = 256;
const CHUNK_SIZE = /^([0-9a-fA-F]{1,8})[\t ]*(?:;.*)?$/;

/** Free buffers for assembling bodies. Each body that is being assembled has a buffer. */
const spare: Buffer[] = [];
const SPARE_BYTES = 128 << 10;
const SPARE_MAX_BYTES = 1 << 20;
const MAX_SPARE = 32;

type State = "head" | "length" | "close" | "size" | "chunk" | "chunk-end" | "trailers" | "done";

export class ResponseReader {
  #state: State = "done";
  #maxBytes = 0;
  #head: Head | undefined;
  /** The part of a head, a chunk size or trailers that has arrived, if the rest has not. This is rare. */
  #text = "";
  /** Bytes of the body or chunk that have not arrived. */
  #left = 0;
  #body: Buffer | undefined;
  #size = 0;
  /** The whole body, if it arrived in one piece. */
  #piece: Buffer | undefined;
  #trailing = false;

  /** Begins the next response, whose body has at most `maxBytes`. */
  start(maxBytes: number): void {
    this.release();
    this.#maxBytes = maxBytes;
    this.#state = "head";
    this.#head = undefined;
    this.#text = "";
    this.#size = 0;
    this.#trailing = false;
  }

  /** Returns the buffer of the last body to the free buffers. The body is invalid from now on. */
  release(): void {
    this.#piece = undefined;
    if (this.#body === undefined) return;
    if (spare.length < MAX_SPARE && this.#body.length <= SPARE_MAX_BYTES) spare.push(this.#body);
    this.#body = undefined;
  }

  get head(): Head | undefined {
    return this.#head;
  }

  /** Whether bytes arrived after the end of the response, while no request is open. */
  get trailing(): boolean {
    return this.#trailing;
  }

  /** The body. It is valid until push(), start() or release() is called. */
  get body(): Buffer {
    return this.#piece ?? this.#body?.subarray(0, this.#size) ?? Buffer.alloc(0);
  }

  /** Reads bytes, which are valid during the call only. Returns whether the response is whole. Throws an HttpFailure. */
  push(bytes: Buffer): boolean {
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case "head":
          at = this.#readHead(bytes, at);
          break;
        case "length":
        case "chunk":
        case "close":
          at = this.#readBody(bytes, at);
          break;
        case "size":
          at = this.#readSize(bytes, at);
          break;
        case "chunk-end":
          at = this.#readChunkEnd(bytes, at);
          break;
        case "trailers":
          at = this.#readTrailers(bytes, at);
          break;
        case "done":
          this.#trailing = true;
          return true;
      }
    }
    return this.#state === "done";
  }

  /** Called when the connection has ended. Returns whether the response is whole. */
  end(): boolean {
    if (this.#state !== "close") return this.#state === "done";
    this.#state = "done";
    return true;
  }

  /** Returns a line without its CRLF, assembled from several pieces if needed; undefined: its end has not arrived. */
  #line(bytes: Buffer, at: number, limit: number): { line: string | undefined; next: number } {
    const lf = bytes.indexOf(LF, at);
    const next = lf < 0 ? bytes.length : lf + 1;
    if (this.#text.length + next - at > limit) throw invalid(`a line of more than ${limit} bytes`);
    this.#text += bytes.toString("latin1", at, next);
    if (lf < 0) return { line: undefined, next };
    const line = this.#text;
    this.#text = "";
    if (!line.endsWith("\r\n")) throw invalid("a line without CR");
    return { line: line.slice(0, -2), next };
  }

  #readHead(bytes: Buffer, at: number): number {
    // These bytes nearly always contain the whole head.
    const end = this.#text === "" ? bytes.indexOf("\r\n\r\n", at, "latin1") : -1;
    let text: string;
    let next: number;
    if (end >= 0 && end - at <= MAX_HEAD) {
      text = bytes.toString("latin1", at, end + 2);
      next = end + 4;
    } else {
      const known = this.#text.length;
      this.#text += bytes.toString("latin1", at, Math.min(bytes.length, at + MAX_HEAD + 4 - known));
      const found = this.#text.indexOf("\r\n\r\n", Math.max(0, known - 3));
      if (found < 0) {
        if (this.#text.length > MAX_HEAD) throw invalid(`a head of more than ${MAX_HEAD} bytes`);
        return bytes.length;
      }
      text = this.#text.slice(0, found + 2);
      next = at + found + 4 - known;
      this.#text = "";
    }
    this.#takeHead(text);
    return next;
  }

  #takeHead(text: string): void {
    const { head, length, chunked } = parseHead(text);
    if (head.status < 200) return;
    if (length !== undefined && length > this.#maxBytes) throw tooLarge(length, this.#maxBytes);
    this.#head = head;
    this.#left = length ?? 0;
    if (head.status === 204 || head.status === 304 || length === 0) this.#state = "done";
    else if (chunked) this.#state = "size";
    else if (length !== undefined) this.#state = "length";
    else {
      this.#state = "close";
      head.keepAlive = false;
      this.#left = Number.POSITIVE_INFINITY;
    }
  }

  #readBody(bytes: Buffer, at: number): number {
    const take = Math.min(bytes.length - at, this.#left);
    if (this.#size + take > this.#maxBytes) throw tooLarge(this.#size + take, this.#maxBytes);
    const whole = take === this.#left && this.#size === 0;
    if (whole && (this.#state === "length" || lastChunkFollows(bytes, at + take))) {
      this.#piece = bytes.subarray(at, at + take);
      this.#size = take;
    } else this.#append(bytes, at, at + take);
    this.#left -= take;
    if (this.#left === 0) this.#state = this.#state === "length" ? "done" : "chunk-end";
    return at + take;
  }

  #append(bytes: Buffer, from: number, to: number): void {
    const size = this.#size + to - from;
    // The buffer grows with the bytes that arrive, so a false content-length costs no memory.
    if (this.#body === undefined || this.#body.length < size) {
      const body = (this.#body === undefined ? spare.pop() : undefined) ?? Buffer.alloc(0);
      const larger = body.length >= size ? body : Buffer.allocUnsafeSlow(Math.max(SPARE_BYTES, size + (size >> 1)));
      if (this.#body !== undefined) this.#body.copy(larger, 0, 0, this.#size);
      this.#body = larger;
    }
    bytes.copy(this.#body, this.#size, from, to);
    this.#size = size;
  }

  #readSize(bytes: Buffer, at: number): number {
    const { line, next } = this.#line(bytes, at, MAX_SIZE_LINE);
    if (line === undefined) return next;
    const size = CHUNK_SIZE.exec(line)?.[1];
    if (size === undefined) throw invalid("a chunk's size");
    this.#left = Number.parseInt(size, 16);
    this.#state = this.#left === 0 ? "trailers" : "chunk";
    return next;
  }

  #readChunkEnd(bytes: Buffer, at: number): number {
    const { line, next } = this.#line(bytes, at, 2);
    if (line === undefined) return next;
    if (line !== "") throw invalid("a chunk longer than its size");
    this.#state = "size";
    return next;
  }

  #readTrailers(bytes: Buffer, at: number): number {
    const { line, next } = this.#line(bytes, at, MAX_SIZE_LINE * 16);
    if (line === undefined) return next;
    if (line === "") this.#state = "done";
    return next;
  }
}

/** Whether the bytes from `at` are exactly the end of a chunk and the last chunk, without trailers. */
function lastChunkFollows(bytes: Buffer, at: number): boolean {
  return bytes.length === at + 7 && bytes[at] === CR && bytes.toString("latin1", at, at + 7) === "\r\n0\r\n\r\n";
}
