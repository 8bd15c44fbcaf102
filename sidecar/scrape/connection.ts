// One persistent connection to a pod, for one GET at a time. All connections read into one shared buffer, and the parser
// reads the bytes there, without a copy (RATIONALE, "Why a client of our own for scrapes?").
import type { Socket } from "node:net";
import type { Access } from "../credentials/access.ts";
import { HttpFailure, toFailure } from "../http.ts";
import type { Head } from "./response-head.ts";
import { ResponseReader } from "./response-reader.ts";

/** The buffer that all connections read into. A read has at most this size, and is parsed before any connection reads again. */
const RECEIVED = Buffer.allocUnsafeSlow(256 << 10);
/** uvicorn closes an idle connection after five seconds. An older connection is not reused, or a request could be lost. */
const KEEP_ALIVE_MS = 4000;

/** The body is valid during the call only. `received`: bytes of the response, head included. */
type Read<T> = (body: Buffer, head: Head, received: number) => T;

interface Exchange {
  read: Read<unknown>;
  resolve: (value: never) => void;
  reject: (failure: HttpFailure) => void;
  request: string;
  maxBytes: number;
  timer: NodeJS.Timeout;
  /**
   * Whether the connection was used before. If it ends without a byte, the server had closed it already, and the request is
   * sent again.
   */
  reused: boolean;
  /** Bytes that were received so far. */
  bytes: number;
}

export class Connection {
  readonly #url: URL;
  readonly #access: Access;
  readonly #lost: (() => void) | undefined;
  readonly #reader = new ResponseReader();
  #socket: Socket | undefined;
  #usedAt = 0;
  #exchange: Exchange | undefined;
  #waiting: Array<() => void> = [];
  #closed = false;

  /** `lost`: called when the other side ends the connection while no request is open and the connection may be reused. */
  constructor(origin: string, access: Access, lost?: () => void) {
    this.#url = new URL(origin);
    this.#access = access;
    this.#lost = lost;
  }

  /** Sends a GET. Calls `read` once with the whole body, and resolves with its result. Rejects with an HttpFailure. */
  get<T>(path: string, maxBytes: number, timeoutMs: number, read: Read<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const begin = () => this.#begin({ path, maxBytes, timeoutMs, read, resolve, reject });
      if (this.#exchange === undefined) begin();
      else this.#waiting.push(begin);
    });
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
    this.#fail(new HttpFailure("reset", "closed"));
  }

  #begin(asked: {
    path: string;
    maxBytes: number;
    timeoutMs: number;
    read: Read<unknown>;
    resolve: (value: never) => void;
    reject: (failure: HttpFailure) => void;
  }): void {
    const { path, maxBytes, timeoutMs, read, resolve, reject } = asked;
    if (this.#closed) {
      reject(new HttpFailure("reset", "closed"));
      return;
    }
    const timer = setTimeout(() => {
      this.#drop();
      this.#fail(new HttpFailure("timeout", `no whole response within ${timeoutMs} ms`));
    }, timeoutMs);
    const request = `GET ${path} HTTP/1.1\r\nhost: ${this.#url.host}\r\n${this.#access.headerLines}\r\n`;
    const now = performance.now();
    if (this.#socket !== undefined && now - this.#usedAt > KEEP_ALIVE_MS) this.#drop();
    const reused = this.#socket !== undefined;
    this.#exchange = { read, resolve, reject, request, maxBytes, timer, reused, bytes: 0 };
    this.#send();
  }

  #send(): void {
    const exchange = this.#exchange as Exchange;
    this.#reader.start(exchange.maxBytes);
    this.#socket ??= this.#connect();
    this.#socket.write(exchange.request, "latin1");
  }

  #connect(): Socket {
    const socket = this.#access.open(this.#url, {
      buffer: RECEIVED,
      callback: (bytes) => {
        if (socket === this.#socket) this.#received(RECEIVED.subarray(0, bytes));
        return true;
      },
    });
    socket.setNoDelay(true);
    const ended = (error?: Error): void => {
      if (socket !== this.#socket) return;
      this.#socket = undefined;
      socket.destroy();
      this.#ended(error);
    };
    socket.on("error", ended);
    socket.on("end", () => ended());
    socket.on("close", () => ended());
    return socket;
  }

  #received(bytes: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === undefined) {
      // No request is open, so these bytes are no response to the next request.
      this.#drop();
      return;
    }
    exchange.bytes += bytes.length;
    try {
      if (this.#reader.push(bytes)) this.#whole();
    } catch (error) {
      this.#drop();
      this.#fail(toFailure(error));
    }
  }

  #ended(error?: Error): void {
    const exchange = this.#exchange;
    if (exchange === undefined) {
      if (!this.#closed && performance.now() - this.#usedAt < KEEP_ALIVE_MS) this.#lost?.();
      return;
    }
    if (error === undefined && this.#reader.end()) {
      this.#whole();
    } else if (exchange.reused && exchange.bytes === 0) {
      exchange.reused = false;
      this.#send();
    } else {
      this.#fail(error === undefined ? new HttpFailure("reset", "the pod closed the connection") : toFailure(error));
    }
  }

  #whole(): void {
    const { read, resolve, bytes } = this.#exchange as Exchange;
    const head = this.#reader.head as Head;
    if (!head.keepAlive || this.#reader.trailing) this.#drop();
    let value: unknown;
    try {
      value = read(this.#reader.body, head, bytes);
    } catch (error) {
      this.#fail(toFailure(error));
      return;
    }
    this.#over();
    resolve(value as never);
    this.#next();
  }

  #fail(failure: HttpFailure): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#over();
    exchange.reject(failure);
    this.#next();
  }

  #over(): void {
    clearTimeout(this.#exchange?.timer);
    this.#exchange = undefined;
    this.#reader.release();
    this.#usedAt = performance.now();
  }

  #next(): void {
    this.#waiting.shift()?.();
  }

  /** Closes the connection; the next request opens another. */
  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }
}
