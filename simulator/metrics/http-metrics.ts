// Counts HTTP requests by route, method and status, as vLLM's API server does.
import { Histogram } from "../engine/stats.ts";

/** Routes that vLLM's instrumentation leaves out. */
const EXCLUDED = new Set(["/metrics", "/health", "/-/healthz", "/version", "/load", "/ping"]);

const HIGH_RESOLUTION = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60,
];
const LOW_RESOLUTION = [0.1, 0.5, 1];

export interface Timed<T> {
  value: T;
  createdAt: number;
}

export interface Summary {
  count: number;
  sum: number;
}

/** The counts of the `http_*` families. vLLM's API server has them from prometheus-fastapi-instrumentator. */
export class HttpMetrics {
  readonly requests = new Map<string, Timed<{ handler: string; method: string; status: string; count: number }>>();
  readonly requestSizes = new Map<string, Timed<Summary>>();
  readonly responseSizes = new Map<string, Timed<Summary>>();
  readonly highResolution = new Histogram(HIGH_RESOLUTION);
  readonly durations = new Map<string, Timed<{ handler: string; method: string; histogram: Histogram }>>();
  version = 0;

  /** `route` is the route's template, or null for a path that matches none. */
  record(
    route: string | null,
    method: string,
    status: number,
    requestBytes: number,
    responseBytes: number,
    seconds: number,
    now: number,
  ): void {
    if (route !== null && (EXCLUDED.has(route) || route.startsWith("/sim/"))) return;
    const handler = route ?? "none";
    const family = `${Math.floor(status / 100)}xx`;
    const counted = entry(this.requests, `${handler} ${method} ${family}`, now, () => ({
      handler,
      method,
      status: family,
      count: 0,
    }));
    counted.count++;
    const request = entry(this.requestSizes, handler, now, () => ({ count: 0, sum: 0 }));
    request.count++;
    request.sum += requestBytes;
    const response = entry(this.responseSizes, handler, now, () => ({ count: 0, sum: 0 }));
    response.count++;
    response.sum += responseBytes;
    this.highResolution.observe(seconds);
    entry(this.durations, `${handler} ${method}`, now, () => ({
      handler,
      method,
      histogram: new Histogram(LOW_RESOLUTION),
    })).histogram.observe(seconds);
    this.version++;
  }
}

function entry<T>(map: Map<string, Timed<T>>, key: string, now: number, create: () => T): T {
  let found = map.get(key);
  if (found === undefined) {
    found = { value: create(), createdAt: now / 1000 };
    map.set(key, found);
  }
  return found.value;
}
