// The load generator. It builds requests before the clock starts, sends one request at a time on a connection, and reads only the
// status and Content-Length of a response. node:http and undici would cost more than a whole small request.

import { createConnection, type Socket } from "node:net";
import { MODEL_HEADER } from "../../protocol/constants.ts";
import type { Body } from "./bodies.ts";

export interface Prepared {
  bytes: Buffer;
  /** The model header that the upstream must receive. */
  model: string;
}

interface Answer {
  status: number;
  body: string;
}

/** `withHeader`: the client sends the model header itself, for the route without a filter. */
export function prepare(body: Body, withHeader: boolean): Prepared {
  const head = [
    "POST /v1/chat/completions HTTP/1.1",
    "host: bench.example",
    "content-type: application/json",
    "user-agent: bench",
    ...(withHeader ? [`${MODEL_HEADER}: ${body.model}`] : []),
    `content-length: ${body.bytes.length}`,
  ].join("\r\n");
  return { bytes: Buffer.concat([Buffer.from(`${head}\r\n\r\n`), body.bytes]), model: body.model };
}

export class Connection {
  readonly #socket: Socket;
  #received = "";
  #waiting: { done: (answer: Answer) => void; fail: (error: Error) => void } | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.#data(text));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("Envoy closed the connection before it had answered")));
  }

  static open(port: number): Promise<Connection> {
    return new Promise((done, fail) => {
      const socket = createConnection({ host: "127.0.0.1", port });
      socket.once("error", fail);
      socket.once("connect", () => {
        socket.off("error", fail);
        done(new Connection(socket));
      });
    });
  }

  /** Writes the whole request and waits for the whole answer. */
  send(bytes: Buffer): Promise<Answer> {
    const answer = this.answer();
    this.#socket.write(bytes);
    return answer;
  }

  /** Writes a part of a request. Resolves when the kernel has accepted it. */
  write(bytes: Buffer): Promise<void> {
    return new Promise((done, fail) => this.#socket.write(bytes, (error) => (error ? fail(error) : done())));
  }

  answer(): Promise<Answer> {
    return new Promise((done, fail) => {
      this.#waiting = { done, fail };
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #data(text: string): void {
    this.#received += text;
    const head = this.#received.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/.exec(this.#received)?.[1] ?? 0);
    const end = head + 4 + length;
    if (this.#received.length < end) return;
    const answer = { status: Number(this.#received.slice(9, 12)), body: this.#received.slice(head + 4, end) };
    this.#received = this.#received.slice(end);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.done(answer);
  }

  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.fail(error);
  }
}
