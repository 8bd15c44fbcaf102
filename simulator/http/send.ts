// Sends a whole response, and remembers its size for the metrics.
import type { ServerResponse } from "node:http";
import type { PodState } from "./pod-state.ts";

/** A response that remembers the size of its body for the pod's HTTP metrics. */
export interface CountedResponse extends ServerResponse {
  bodyBytes?: number;
}

/** Sends a whole response. Does nothing if the response has begun or the connection is closed. */
export function send(
  pod: PodState,
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Record<string, string> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  (response as CountedResponse).bodyBytes = bytes.length;
  response.writeHead(status, {
    server: "uvicorn",
    "content-type": "application/json",
    "x-inference-pod": pod.name,
    ...headers,
    "content-length": bytes.length,
  });
  response.end(bytes);
}
