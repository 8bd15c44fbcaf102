// Finds the end of an HTTP/1.1 body without looking at what is in it.
//
//   body   = Content-Length bytes | *chunk "0" CRLF CRLF     (trailers are not expected)
//   chunk  = size-in-hex CRLF size bytes CRLF

const CR = 0x0d;
const LF = 0x0a;

export class BodyReader {
  done: boolean;
  readonly #chunked: boolean;
  /** Bytes that come before the next decision: of the body, or of a chunk and its CRLF. */
  #left: number;
  #last = false;
  #line = "";

  /** `head` is the request's head without the empty line at its end, names in lower case as Envoy writes them. */
  constructor(head: string) {
    this.#chunked = /\r\ntransfer-encoding: chunked(\r|$)/.test(head);
    this.#left = this.#chunked ? 0 : Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0);
    this.done = !this.#chunked && this.#left === 0;
  }

  /** Takes what belongs to the body from the start of `bytes` and gives the rest back. */
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
      // The CRLF after the chunk's bytes; after the last chunk that of the empty line.
      this.#left = size + 2;
    }
    return bytes.subarray(at);
  }
}
