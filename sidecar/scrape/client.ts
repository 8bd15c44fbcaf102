// Requests to one pod. Two connections at most: what hangs on one of them does not hold up the metrics.
import { gunzipSync } from "node:zlib";
import { Client, type Dispatcher } from "undici";
import { exchange, HttpFailure } from "../http.ts";
import type { Access } from "./access.ts";

/** Below the five seconds after which uvicorn closes an idle connection: it must not do so while a request is sent. */
const KEEP_ALIVE_MS = 4000;

export class PodClient {
  readonly #access: Access;
  readonly #metricsOrigin: string;
  readonly #origin: string;
  readonly #metrics: Client;
  #others: Client | undefined;

  /** `metricsOrigin`: some servers tell their metrics on another port. */
  constructor(origin: string, metricsOrigin: string, access: Access) {
    this.#access = access;
    this.#origin = origin;
    this.#metricsOrigin = metricsOrigin;
    this.#metrics = this.#client(metricsOrigin);
  }

  /** The body of a 200; anything else is an HttpFailure. */
  metrics(path: string, maxBytes: number, timeoutMs: number): Promise<Buffer> {
    return this.#get(this.#metrics, path, maxBytes, timeoutMs);
  }

  get(path: string, maxBytes: number, timeoutMs: number): Promise<Buffer> {
    this.#others ??= this.#client(this.#origin);
    return this.#get(this.#others, path, maxBytes, timeoutMs);
  }

  async close(): Promise<void> {
    await Promise.all([this.#metrics.destroy(), this.#others?.destroy()]);
  }

  #client(origin: string): Client {
    return new Client(origin, {
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // exchange() has one deadline for all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: this.#access.connect,
    });
  }

  async #get(client: Dispatcher, path: string, maxBytes: number, timeoutMs: number): Promise<Buffer> {
    const { headers } = this.#access;
    const answer = await exchange(client, { method: "GET", path, headers, maxBytes, timeoutMs });
    if (answer.status !== 200) throw new HttpFailure("status", `${path}: status ${answer.status}, expected 200`);
    return answer.encoding === undefined ? answer.body : decoded(answer.body, answer.encoding, path, maxBytes);
  }

  get origins(): { metrics: string; others: string } {
    return { metrics: this.#metricsOrigin, others: this.#origin };
  }
}

/** Whole bodies are small and come all at once: a call to a thread pool would cost more than it spares. */
function decoded(body: Buffer, encoding: string, path: string, maxBytes: number): Buffer {
  if (encoding === "identity") return body;
  if (encoding !== "gzip" && encoding !== "x-gzip") {
    throw new HttpFailure(
      "invalid",
      `${path}: content-encoding ${JSON.stringify(encoding.slice(0, 40))}, expected gzip or none`,
    );
  }
  try {
    return gunzipSync(body, { maxOutputLength: maxBytes });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === "ERR_BUFFER_TOO_LARGE") {
      throw new HttpFailure("too_large", `${path}: more than ${maxBytes} bytes when decompressed`);
    }
    throw new HttpFailure("invalid", `${path}: ${message}`);
  }
}
