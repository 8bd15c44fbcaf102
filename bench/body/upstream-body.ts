// Finds the end of an HTTP/1.1 body without reading its content.
//
//   body   = Content-Length bytes | *chunk "0" CRLF CRLF     (trailers are not expected)
//   chunk  = size-in-hex CRLF size bytes CRLF

const CR = 0x0d;
const LF = 0x0a;

export class BodyReader {
  done: boolean;
  readonly #chunked: boolean;
  /** Number of bytes to skip: the rest of the body, or of a chunk with its CRLF. */
  #left: number;
  #last = false;
  #line = "";

  /** `head` is the request's head without its final empty line. Names are in lower case, as Envoy writes them. */
  constructor(head: string) {
    this.#chunked = /\r\ntransfer-encoding: chunked(\r|$)/.test(head);
    this.#left = this.#chunked ? 0 : Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0);
    this.done = !this.#chunked && this.#left === 0;
  }

  /** Consumes the body's part of `bytes` and returns the rest. */
  take(bytes: Buffer): Buffer {
    let at = 0;
    while (!this.done && at < bytes.length) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, bytes.length - at);
        at += step;
        this.#left -= step;
        if (this.#left === 0) this.done = !this.#chunked || this.#last;
        continue;
      }
      const byte = bytes[at++] as number;
      if (byte === CR) continue;
      if (byte !== LF) {
        this.#line += String.fromCharCode(byte);
        continue;
      }
      const size = Number.parseInt(this.#line, 16);
      this.#line = "";
      this.#last = size === 0;
      // Skips the CRLF after a chunk. After the last chunk it skips the CRLF of the empty line.
      this.#left = size + 2;
    }
    return bytes.subarray(at);
  }
}
