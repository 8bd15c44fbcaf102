// Sends requests to one pod. Metrics have a connection of their own, so that a slow model list does not delay them.
import { gunzipSync } from "node:zlib";
import type { Access } from "../credentials/access.ts";
import { HttpFailure } from "../http.ts";
import { Connection } from "./connection.ts";
import type { Head } from "./response-head.ts";

export class PodClient {
  readonly #metrics: Connection;
  readonly #others: Connection;

  /** `metricsOrigin` differs from `origin` for servers that show their metrics on another port. `lost`: as of Connection, for metrics. */
  constructor(origin: string, metricsOrigin: string, access: Access, lost?: () => void) {
    this.#metrics = new Connection(metricsOrigin, access, lost);
    this.#others = new Connection(origin, access);
  }

  /**
   * Requests metrics. Resolves with the result of `read`, which gets the body of a response 200; the body is valid during the
   * call only. `received`: bytes of the response as it arrived. Rejects with an HttpFailure for every other response.
   */
  metrics<T>(
    path: string,
    maxBytes: number,
    timeoutMs: number,
    read: (body: Buffer, received: number) => T,
  ): Promise<T> {
    return get(this.#metrics, path, maxBytes, timeoutMs, read);
  }

  /** Requests any other path, in the same way as metrics(). */
  get<T>(path: string, maxBytes: number, timeoutMs: number, read: (body: Buffer) => T): Promise<T> {
    return get(this.#others, path, maxBytes, timeoutMs, read);
  }

  close(): void {
    this.#metrics.close();
    this.#others.close();
  }
}

function get<T>(
  connection: Connection,
  path: string,
  maxBytes: number,
  timeoutMs: number,
  read: (body: Buffer, received: number) => T,
): Promise<T> {
  return connection.get(path, maxBytes, timeoutMs, (body, { status, encoding }: Head, received) => {
    if (status !== 200) throw new HttpFailure("status", `${path}: status ${status}, expected 200`);
    return read(encoding === undefined ? body : decoded(body, encoding, path, maxBytes), received);
  });
}

/**
 * Decompresses a body. The call is synchronous, since bodies are small and the thread pool would cost more than the
 * decompression.
 */
function decoded(body: Buffer, encoding: string, path: string, maxBytes: number): Buffer {
  if (encoding === "identity") return body;
  if (encoding !== "gzip" && encoding !== "x-gzip") {
    const shown = JSON.stringify(encoding.slice(0, 40));
    throw new HttpFailure("invalid", `${path}: content-encoding ${shown}, expected gzip or none`);
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
