// Answers of HTTP/1.1 out of the bytes of a connection, for requests that have a body in their answer or none:
//
//   answer  = head CRLF body
//   head    = "HTTP/1." ("0" | "1") SP status reason CRLF ( name ":" value CRLF )*        at most 16 KiB
//   body    = chunks      where transfer-encoding says "chunked"
//           | N bytes     where content-length says N
//           | all bytes to the connection's end
//   chunks  = ( size extension? CRLF bytes CRLF )* "0" extension? CRLF trailers CRLF
//
// Anything else ends the exchange: what cannot be told apart for sure is not guessed at, and a connection on which it
// happened is not used again. A body that came in one piece is handed on where it lies, any other is put together.
import { HttpFailure } from "../http.ts";

const LF = 0x0a;
const CR = 0x0d;
const MAX_HEAD = 16 << 10;
const MAX_SIZE_LINE = 256;
const CHUNK_SIZE = /^([0-9a-fA-F]{1,8})[\t ]*(?:;.*)?$/;

export interface Head {
  status: number;
  encoding: string | undefined;
  /** The connection may be used again when the body came whole. */
  keepAlive: boolean;
}

/** Gives and takes back the buffers that bodies are put together in: as many as there are bodies at once. */
const spare: Buffer[] = [];
const SPARE_BYTES = 128 << 10;
const SPARE_MAX_BYTES = 1 << 20;
const MAX_SPARE = 32;

type State = "head" | "length" | "close" | "size" | "chunk" | "chunk-end" | "trailers" | "done";

function invalid(what: string): HttpFailure {
  return new HttpFailure("invalid", `no answer of HTTP/1.1: ${what}`);
}

export class AnswerReader {
  #state: State = "done";
  #maxBytes = 0;
  #head: Head | undefined;
  /** A head, a chunk's size or trailers of which the end has not come; rare. */
  #text = "";
  /** Bytes that are still to come of the body or the chunk. */
  #left = 0;
  #body: Buffer | undefined;
  #size = 0;
  /** Where the whole body is when it came in one piece. */
  #piece: Buffer | undefined;
  #trailing = false;

  /** The next answer begins; its body may have `maxBytes`. */
  start(maxBytes: number): void {
    this.release();
    this.#maxBytes = maxBytes;
    this.#state = "head";
    this.#head = undefined;
    this.#text = "";
    this.#size = 0;
    this.#trailing = false;
  }

  /** Gives back what the last body was put together in; it must not be looked at any more. */
  release(): void {
    this.#piece = undefined;
    if (this.#body === undefined) return;
    if (spare.length < MAX_SPARE && this.#body.length <= SPARE_MAX_BYTES) spare.push(this.#body);
    this.#body = undefined;
  }

  get head(): Head | undefined {
    return this.#head;
  }

  /** Something came behind the answer's end, which nobody has asked for. */
  get trailing(): boolean {
    return this.#trailing;
  }

  /** Valid until the next bytes come, and until release(). */
  get body(): Buffer {
    return this.#piece ?? this.#body?.subarray(0, this.#size) ?? Buffer.alloc(0);
  }

  /** Takes bytes that are only valid now; true when the answer is whole. Throws HttpFailure. */
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

  /** The connection ended; true when that is the answer's end as well. */
  end(): boolean {
    if (this.#state !== "close") return this.#state === "done";
    this.#state = "done";
    return true;
  }

  /** Text up to and with an LF, across pieces; undefined while it has not come. */
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
    // Nearly always the whole head is here: its end is found at once.
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
    const lines = text.split("\r\n");
    const status = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: |$)/.exec(lines[0] as string);
    if (status === null) throw invalid(JSON.stringify((lines[0] as string).slice(0, 60)));
    const code = Number(status[2]);
    let length: number | undefined;
    let chunked = false;
    let encoding: string | undefined;
    let keepAlive = status[1] === "1";
    for (let i = 1; i < lines.length - 1; i++) {
      const line = lines[i] as string;
      const colon = line.indexOf(":");
      if (colon <= 0) throw invalid("a header without a name");
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      if (name === "content-length") {
        if (!/^[0-9]{1,15}$/.test(value) || (length !== undefined && length !== Number(value)))
          throw invalid("content-length");
        length = Number(value);
      } else if (name === "transfer-encoding") {
        if (chunked || value.toLowerCase() !== "chunked") throw invalid("transfer-encoding");
        chunked = true;
      } else if (name === "content-encoding") encoding = value.toLowerCase();
      else if (name === "connection") keepAlive = connectionSays(value, keepAlive);
    }
    if (chunked && length !== undefined) throw invalid("both content-length and transfer-encoding");
    if (code === 101) throw invalid("another protocol");
    if (code < 200) return;
    if (length !== undefined && length > this.#maxBytes) throw tooLarge(length, this.#maxBytes);
    this.#head = { status: code, encoding, keepAlive };
    this.#left = length ?? 0;
    if (code === 204 || code === 304 || length === 0) this.#state = "done";
    else if (chunked) this.#state = "size";
    else if (length !== undefined) this.#state = "length";
    else {
      this.#state = "close";
      this.#head.keepAlive = false;
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
    // Grown as bytes come, not as a head says: a lie costs nothing.
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

/** Whether the bytes from `at` on are the end of a chunk and then the last chunk, without trailers. */
function lastChunkFollows(bytes: Buffer, at: number): boolean {
  return bytes.length === at + 7 && bytes[at] === CR && bytes.toString("latin1", at, at + 7) === "\r\n0\r\n\r\n";
}

function connectionSays(value: string, otherwise: boolean): boolean {
  const tokens = value.toLowerCase().split(",");
  for (const token of tokens) if (token.trim() === "close") return false;
  for (const token of tokens) if (token.trim() === "keep-alive") return true;
  return otherwise;
}

function tooLarge(bytes: number, maxBytes: number): HttpFailure {
  return new HttpFailure("too_large", `a body of ${bytes} bytes or more, expected at most ${maxBytes}`);
}
