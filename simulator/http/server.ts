// The HTTP server of a simulated pod: its table of routes, its failure modes, and its HTTP metrics.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { getParams, getStats, loadAdapter, postAdapters, postParams, unloadAdapter } from "./control.ts";
import { ApiError } from "./errors.ts";
import { audio, chatCompletions, completions, embeddings, responses, tokenize } from "./inference.ts";
import { METRICS, MetricsRoute } from "./metrics-route.ts";
import type { Handler, PodState } from "./pod-state.ts";
import { type CountedResponse, send } from "./send.ts";
import { cancelResponse, retrieveResponse } from "./stored-routes.ts";

/** The version of the vLLM server whose metrics were captured. */
const VLLM_VERSION = "0.32.0";

interface Route {
  handler: Handler;
  /** Inference routes are counted, and the parameter `fail` applies to them. */
  inference: boolean;
}

const open = (handler: Handler): Route => ({ handler, inference: false });
const inference = (handler: Handler): Route => ({ handler, inference: true });

const ROUTES: Record<string, Record<string, Route>> = {
  "/v1/chat/completions": { POST: inference(chatCompletions) },
  "/v1/completions": { POST: inference(completions) },
  "/v1/embeddings": { POST: inference(embeddings) },
  "/v1/responses": { POST: inference(responses) },
  "/v1/responses/{response_id}": { GET: open(retrieveResponse) },
  "/v1/responses/{response_id}/cancel": { POST: open(cancelResponse) },
  "/v1/audio/transcriptions": { POST: inference(audio) },
  "/v1/audio/translations": { POST: inference(audio) },
  "/tokenize": { POST: open(tokenize) },
  "/v1/models": {
    GET: open(async (pod, _request, response) => send(pod, response, 200, pod.models.list(pod.params.maxModelLen))),
  },
  "/v1/load_lora_adapter": { POST: open(loadAdapter) },
  "/v1/unload_lora_adapter": { POST: open(unloadAdapter) },
  "/health": { GET: open(async (pod, _request, response) => health(pod, response)) },
  // This path is Ray Serve's health check.
  "/-/healthz": { GET: open(async (pod, _request, response) => health(pod, response)) },
  "/version": {
    GET: open(async (pod, _request, response) => send(pod, response, 200, JSON.stringify({ version: VLLM_VERSION }))),
  },
  "/sim/params": { GET: open(getParams), POST: open(postParams) },
  "/sim/adapters": { POST: open(postAdapters) },
  "/sim/stats": { GET: open(getStats) },
};

/** Returns the route's template. A path without a variable part is its own template. */
function templateOf(path: string): string {
  return path.replace(/^\/v1\/responses\/[^/]+(?=\/cancel$|$)/, "/v1/responses/{response_id}");
}

function health(pod: PodState, response: ServerResponse): void {
  response.writeHead(200, { server: "uvicorn", "x-inference-pod": pod.name, "content-length": 0 });
  response.end();
}

/** The pod's HTTP side: routing, failure modes, and /metrics. */
export class PodServer {
  readonly server: Server;
  private readonly pod: PodState;
  private readonly metricsRoute: MetricsRoute;

  constructor(pod: PodState, startedAt: number) {
    this.pod = pod;
    this.metricsRoute = new MetricsRoute(pod, startedAt);
    // Clients keep their connections; the server never closes an idle connection.
    const options = { keepAliveTimeout: 3_600_000, requestTimeout: 0 };
    this.server = createServer(options, (request, response) => this.serve(request, response));
  }

  /** Ends every connection at once. */
  close(): Promise<void> {
    this.metricsRoute.close();
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  metrics(): string {
    return this.metricsRoute.text();
  }

  private serve(request: IncomingMessage, response: ServerResponse): void {
    const target = request.url ?? "/";
    const query = target.indexOf("?");
    const path = templateOf(query < 0 ? target : target.slice(0, query));
    const asked = query < 0 ? "" : target.slice(query + 1);
    if (path.startsWith("/sim/")) {
      this.dispatch(path, request, response);
      return;
    }
    // The API server process accepts no request while it renders a page.
    this.pod.api.serving(request).run(() => {
      if (response.destroyed) return;
      if (path.startsWith(METRICS)) this.metricsRoute.serve(path, asked, request, response);
      else this.dispatch(path, request, response);
    });
  }

  private dispatch(path: string, request: IncomingMessage, response: ServerResponse): void {
    const method = request.method ?? "GET";
    const routes = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
    this.measure(routes === undefined ? null : path, method, request, response);
    const route = routes?.[method];
    if (route === undefined) {
      const [status, text] =
        routes === undefined ? ([404, "Not Found"] as const) : ([405, "Method Not Allowed"] as const);
      this.refuse(request, response, new ApiError(status, text, text));
      return;
    }
    if (route.inference) {
      this.pod.counts.received++;
      if (this.failed(request, response)) return;
    }
    route.handler(this.pod, request, response).catch((error: unknown) => {
      if (route.inference) this.pod.counts.refused++;
      const message = error instanceof Error ? error.message : String(error);
      this.refuse(
        request,
        response,
        error instanceof ApiError ? error : new ApiError(500, "InternalServerError", message),
      );
    });
  }

  /** Simulates the failure that the parameter `fail` names. Returns true if the request needs no further handling. */
  private failed(request: IncomingMessage, response: ServerResponse): boolean {
    const { counts, params } = this.pod;
    switch (params.fail) {
      case "hang":
        request.resume();
        return true;
      case "500":
        counts.refused++;
        request.resume();
        this.refuse(request, response, new ApiError(500, "InternalServerError", "Internal server error"));
        return true;
      case "reset":
        counts.refused++;
        request.socket.resetAndDestroy();
        return true;
      default:
        return false;
    }
  }

  private refuse(request: IncomingMessage, response: ServerResponse, error: ApiError): void {
    const unread = error.status === 413;
    send(this.pod, response, error.status, error.body, unread ? { connection: "close" } : {});
    if (unread) response.on("finish", () => request.destroy());
  }

  private measure(route: string | null, method: string, request: IncomingMessage, response: CountedResponse): void {
    const startedAt = this.pod.clock.now();
    response.on("finish", () => {
      const now = this.pod.clock.now();
      const requestBytes = Number(request.headers["content-length"] ?? 0);
      const seconds = (now - startedAt) / 1000;
      this.pod.http.record(route, method, response.statusCode, requestBytes, response.bodyBytes ?? 0, seconds, now);
    });
  }
}
