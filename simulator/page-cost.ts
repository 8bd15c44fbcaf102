// What a scrape costs a vLLM API server process: ms for which its event loop does nothing else.
//
//   cost = scrapeRequestMs + scrapeByteMs · bytes of the page · (1 for one API server process, else 1.4 + 0.26 · processes)
//
// prometheus_client renders the page in pure Python, sample by sample, so the time follows the page's size.

/**
 * CPU of a request without a page: 0.17 to 0.25 ms, measured on `testkit/vllm/metrics_server.py` with prometheus_client 0.26, FastAPI 0.136
 * and uvicorn 0.54.
 */
export const SCRAPE_REQUEST_MS = 0.25;
/**
 * Real vLLM 0.32 renders 48 KB in 8 to 10 ms, and 1.7 KB in 0.3 ms. On `testkit/vllm/metrics_server.py` 2.8 KB cost 0.6 ms. A whole page of
 * this server costs 5 ms, so a faster machine has half of this figure.
 */
export const SCRAPE_BYTE_MS = 9 / 48_000;

/** Pages in bytes, for simulations without text: vLLM 0.32 under load, and the samples that the sidecar asks for there. */
const WHOLE_PAGE_BYTES = 54_528;
const RESTRICTED_PAGE_BYTES = 4_800;
export type Page = "whole" | "restricted";

/** Parameters of a pod (params.ts). */
interface ScrapeCosts {
  scrapeRequestMs: number;
  scrapeByteMs: number;
  apiServers: number;
}

/**
 * `bytes`: of the rendered page. Several processes keep their metrics in files, and each page reads the files of all processes. The
 * factor is measured on `testkit/vllm/metrics_server.py`: a page of 38 KB costs 5.9 ms with the files of one process, 8.5 ms with four.
 */
export function scrapeMs({ scrapeRequestMs, scrapeByteMs, apiServers }: ScrapeCosts, bytes: number): number {
  const files = apiServers === 1 ? 1 : 1.4 + 0.26 * apiServers;
  return scrapeRequestMs + scrapeByteMs * bytes * files;
}

/** The cost of a page of usual size. */
export function pageMs(costs: ScrapeCosts, page: Page): number {
  return scrapeMs(costs, page === "whole" ? WHOLE_PAGE_BYTES : RESTRICTED_PAGE_BYTES);
}
