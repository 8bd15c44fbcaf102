// The pages of a pod's metrics, as vLLM 0.32 serves them (vllm/entrypoints/serve/instrumentator/metrics.py).
//
//   /metrics             prometheus-fastapi-instrumentator: always the whole page
//   any other /metrics…  prometheus_client's ASGI app: with name[]=…, repeated, only the samples of these names
//
// A page occupies the API server process that renders it (page-cost.ts). The page of Ray's agent costs the pod nothing.
import type { IncomingMessage, ServerResponse } from "node:http";
import { Exposition, METRICS_CONTENT_TYPE } from "../metrics/exposition.ts";
import { RayAgent } from "../metrics/ray-agent.ts";
import { restrictedPage } from "../metrics/restricted-page.ts";
import { scrapeMs } from "../page-cost.ts";
import { ApiError } from "./errors.ts";
import type { PodState } from "./pod-state.ts";
import { send } from "./send.ts";

export const METRICS = "/metrics";

export class MetricsRoute {
  private readonly pod: PodState;
  private readonly exposition: Exposition;
  private readonly ray: RayAgent | null;
  private readonly slow = new Set<NodeJS.Timeout>();

  constructor(pod: PodState, startedAt: number) {
    this.pod = pod;
    const { engines, params, http } = pod;
    this.exposition = new Exposition({ engines, params, modelName: pod.models.bases[0] as string, startedAt, http });
    const { rayReportMs } = params;
    this.ray =
      rayReportMs === 0 ? null : new RayAgent(() => this.exposition.render(), pod.name, rayReportMs, pod.clock);
  }

  close(): void {
    for (const timer of this.slow) clearTimeout(timer);
    this.ray?.close();
  }

  /** Returns the whole page. Costs the pod nothing. */
  text(): string {
    return this.ray?.scrape() ?? this.exposition.render();
  }

  /** `query`: without the question mark. */
  serve(path: string, query: string, request: IncomingMessage, response: ServerResponse): void {
    const answer = () => this.answer(path, query, request, response);
    if (this.pod.params.fail !== "slow-metrics") {
      answer();
      return;
    }
    const timer = setTimeout(() => {
      this.slow.delete(timer);
      answer();
    }, this.pod.params.slowMetricsMs);
    this.slow.add(timer);
    response.on("close", () => {
      clearTimeout(timer);
      this.slow.delete(timer);
    });
  }

  private answer(path: string, query: string, request: IncomingMessage, response: ServerResponse): void {
    const { pod } = this;
    if (path !== METRICS && (this.ray !== null || pod.params.nameQuery === "not-found")) {
      send(pod, response, 404, new ApiError(404, "Not Found", "Not Found").body);
      return;
    }
    const page = this.ray?.scrape() ?? this.page(path, query);
    const reply = () => send(pod, response, 200, page, { "content-type": METRICS_CONTENT_TYPE });
    if (this.ray !== null) reply();
    else pod.api.serving(request).render(scrapeMs(pod.params, page.length), reply);
  }

  private page(path: string, query: string): Buffer {
    // Python's parse_qs drops names without a value.
    const names = path === METRICS ? [] : new URLSearchParams(query).getAll("name[]").filter((name) => name !== "");
    const { nameQuery, apiServers } = this.pod.params;
    if (names.length === 0 || nameQuery === "ignored") return this.exposition.bytes();
    // The collector of several processes registers no names.
    if (nameQuery === "empty" || apiServers > 1) return Buffer.alloc(0);
    return Buffer.from(restrictedPage(this.exposition.render(), new Set(names)));
  }
}
