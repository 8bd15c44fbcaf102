// HTTP requests of the sidecar. An exchange has one deadline and a limit for the response's body. A failure has one of a few
// reasons, which metrics use as a label.
import type { Dispatcher } from "undici";

export const FAILURES = ["refused", "unreachable", "timeout", "reset", "status", "too_large", "invalid"] as const;
export type Failure = (typeof FAILURES)[number];

export class HttpFailure extends Error {
  readonly reason: Failure;

  constructor(reason: Failure, message: string) {
    super(message);
    this.name = "HttpFailure";
    this.reason = reason;
  }
}

export interface Exchange {
  method: "GET" | "POST";
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
  timeoutMs: number;
  maxBytes: number;
}

export interface Answer {
  status: number;
  body: Buffer;
}

const UNREACHABLE = new Set(["EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "ENOTFOUND", "EAI_AGAIN"]);
const TIMEOUTS = new Set(["UND_ERR_CONNECT_TIMEOUT", "ETIMEDOUT"]);

/** Returns an HttpFailure unchanged. Any other error becomes a failure by its error code of Node or undici. */
export function toFailure(error: unknown): HttpFailure {
  if (error instanceof HttpFailure) return error;
  const { code, name, message } = error as { code?: string; name?: string; message?: string };
  const text = code === undefined ? String(message) : `${code}: ${message}`;
  if (code === "ECONNREFUSED") return new HttpFailure("refused", text);
  if (code !== undefined && UNREACHABLE.has(code)) return new HttpFailure("unreachable", text);
  if (code !== undefined && TIMEOUTS.has(code)) return new HttpFailure("timeout", text);
  if (name === "HTTPParserError") return new HttpFailure("invalid", text);
  return new HttpFailure("reset", text);
}

/**
 * Sends a request. Resolves with a response of any status. Rejects with an HttpFailure; the connection is not used again
 * then.
 */
export function exchange(client: Dispatcher, request: Exchange): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined;
    let failed: HttpFailure | undefined;
    let status = 0;
    let size = 0;
    const chunks: Buffer[] = [];

    const fail = (failure: HttpFailure): void => {
      if (failed !== undefined) return;
      failed = failure;
      clearTimeout(timer);
      reject(failure);
      controller?.abort(failure);
    };
    const timer = setTimeout(
      () => fail(new HttpFailure("timeout", `no whole response within ${request.timeoutMs} ms`)),
      request.timeoutMs,
    );

    const { method, path, headers, body } = request;
    client.dispatch(
      { method, path, ...(headers && { headers }), ...(body && { body }) },
      {
        onRequestStart(started) {
          controller = started;
          // The deadline may pass while the request waits for a connection.
          if (failed !== undefined) started.abort(failed);
        },
        onResponseStart(_controller, statusCode, answered) {
          status = statusCode;
          const length = Number(answered["content-length"]);
          if (length > request.maxBytes) fail(tooLarge(length, request.maxBytes));
        },
        onResponseData(_controller, chunk) {
          size += chunk.length;
          if (size > request.maxBytes) fail(tooLarge(size, request.maxBytes));
          else chunks.push(chunk);
        },
        onResponseEnd() {
          clearTimeout(timer);
          if (failed === undefined)
            resolve({ status, body: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size) });
        },
        onResponseError(_controller, error) {
          fail(toFailure(error));
        },
      },
    );
  });
}

/** `bytes`: the announced size, or the size received so far. */
export function tooLarge(bytes: number, maxBytes: number): HttpFailure {
  return new HttpFailure("too_large", `a body of ${bytes} bytes or more, expected at most ${maxBytes}`);
}
