// An HTTP client that sends exact bytes and returns the complete response.
import http from "node:http";
import type { Readable } from "node:stream";

export interface Sending {
  method?: string;
  path?: string;
  /** A list of pairs keeps case, order and repeated names. */
  headers?: Record<string, string> | ReadonlyArray<readonly [string, string]>;
  body?: string | Uint8Array | Readable;
  /** By default each request has a connection of its own. */
  agent?: http.Agent;
  signal?: AbortSignal;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** Name of the pod or echo that answered. */
  pod: string | undefined;
  body: Buffer;
  /** The body in pieces, as they arrived. */
  chunks: Buffer[];
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: each test knows the shape that it expects
  json: any;
}

/** Resolves with the complete response. A body of unknown length is sent chunked. */
export function send(url: string, sending: Sending = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = open(url, sending);
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve(answerOf(response.statusCode ?? 0, response.headers, chunks)));
    });
  });
}

/** Sends a request; the caller handles the response. */
export function open(url: string, sending: Sending): http.ClientRequest {
  const { body, agent, signal } = sending;
  const method = sending.method ?? (body === undefined ? "GET" : "POST");
  const { hostname, port } = new URL(url);
  const fixed = typeof body === "string" || body instanceof Uint8Array;
  const headers: [string, string][] = [["host", `${hostname}:${port}`], ...pairsOf(sending.headers ?? {})];
  const has = (wanted: string) => headers.some(([name]) => name.toLowerCase() === wanted);
  if (fixed && !has("content-length")) headers.push(["content-length", String(Buffer.byteLength(body))]);
  if (body !== undefined && !fixed && !has("content-length")) headers.push(["transfer-encoding", "chunked"]);
  const request = http.request({
    host: hostname,
    port,
    method,
    path: sending.path ?? "/v1/chat/completions",
    agent: agent ?? false,
    // Node sends a flat list unchanged.
    headers: headers.flat(),
    ...(signal ? { signal } : {}),
  });
  if (body === undefined || fixed) request.end(body);
  else body.on("error", () => request.destroy()).pipe(request);
  return request;
}

function pairsOf(headers: NonNullable<Sending["headers"]>): [string, string][] {
  return Array.isArray(headers) ? [...headers] : Object.entries(headers);
}

/** Builds an Answer from its parts, for clients that do not use send(). */
export function answerOf(status: number, headers: http.IncomingHttpHeaders, chunks: Buffer[]): Answer {
  const body = Buffer.concat(chunks);
  const text = body.toString("utf8");
  const pod = headers["x-inference-pod"];
  return {
    status,
    headers,
    pod: typeof pod === "string" ? pod : undefined,
    body,
    chunks,
    text,
    get json() {
      return JSON.parse(text);
    },
  };
}

export const JSON_TYPE = { "content-type": "application/json" };

export function post(url: string, body: unknown, more: Sending = {}): Promise<Answer> {
  const bytes = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  return send(url, { headers: JSON_TYPE, ...more, body: bytes });
}

export function chat(model: unknown, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { model, messages: [{ role: "user", content: "hello" }], max_tokens: 1, ...more };
}
