// One kept connection to a pod, one GET at a time. A client of our own, for one reason: what arrives is read into one
// buffer that all connections share, and parsed where it lies (RATIONALE, "Why a client of our own for scrapes?").
import type { Socket } from "node:net";
import type { Access } from "../credentials/access.ts";
import { HttpFailure, toFailure } from "../http.ts";
import { AnswerReader, type Head } from "./response-reader.ts";

/** What one read takes at most; parsed before the next read of any connection. */
const RECEIVED = Buffer.allocUnsafeSlow(256 << 10);
/** Below the five seconds after which uvicorn closes an idle connection: it must not do so while a request is sent. */
const KEEP_ALIVE_MS = 4000;

/** Reads a body that is valid only during the call. */
export type Read<T> = (body: Buffer, head: Head) => T;

interface Exchange {
  read: Read<unknown>;
  resolve: (value: never) => void;
  reject: (failure: HttpFailure) => void;
  request: string;
  maxBytes: number;
  timer: NodeJS.Timeout;
  /** The connection was used before: when it ends without a byte, the server had closed it already. */
  reused: boolean;
  bytes: number;
}

export class Connection {
  readonly #url: URL;
  readonly #access: Access;
  readonly #reader = new AnswerReader();
  #socket: Socket | undefined;
  #usedAt = 0;
  #exchange: Exchange | undefined;
  #waiting: Array<() => void> = [];
  #closed = false;

  constructor(origin: string, access: Access) {
    this.#url = new URL(origin);
    this.#access = access;
  }

  /** Rejects with an HttpFailure. `read` is called once, with a whole body; what it throws is the rejection. */
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
      this.#fail(new HttpFailure("timeout", `no whole answer within ${timeoutMs} ms`));
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
      // Nobody has asked: whatever it is, it is not the next answer.
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
    if (exchange === undefined) return;
    if (error === undefined && this.#reader.end()) {
      this.#whole();
    } else if (exchange.reused && exchange.bytes === 0) {
      exchange.reused = false;
      this.#send();
    } else {
      this.#fail(error === undefined ? new HttpFailure("reset", "the pod ended the connection") : toFailure(error));
    }
  }

  #whole(): void {
    const { read, resolve } = this.#exchange as Exchange;
    const head = this.#reader.head as Head;
    if (!head.keepAlive || this.#reader.trailing) this.#drop();
    let value: unknown;
    try {
      value = read(this.#reader.body, head);
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

  /** The connection is not used again. */
  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }
}
