import type { ServerResponse } from "node:http";
import type { PodState } from "./pod-state.ts";

/** Counts what was sent, for the pod's own HTTP metrics. */
export interface CountedResponse extends ServerResponse {
  bodyBytes?: number;
}

/** Answers with a whole body; what cannot be answered any more is let be. */
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
