// The page of Ray's metrics agent, for a pod that runs vLLM under Ray Serve.
//
// vLLM's process reports its metrics to the agent at an interval (10 s by default). From Ray 2.50 on (ray#56405, #56502) a scrape
// removes all gauges from the agent, so only the first page after a report has gauges. A later version keeps gauges for a while
// (ray#64633). Counters and histograms stay. Three more things differ from vLLM's own page:
//
// - Names have the prefix `ray_`, and `_` instead of `:`. There are no `_created` families.
// - vLLM adds nothing to a Ray counter that does not rise (vllm/v1/metrics/ray_wrappers.py). So a counter, or a histogram, has no
//   sample before its first event.
// - vLLM sets `cache_config_info` once, so only the first report has this gauge.
import type { Clock } from "../clock.ts";
import { escapeLabel } from "./numbers.ts";

const VERSION = "2.54.0";

interface Report {
  gauges: string;
  others: string;
}

export class RayAgent {
  private readonly clock: Clock;
  private readonly intervalMs: number;
  private readonly report: () => Report;
  private page: Report = { gauges: "", others: "" };
  private cancel: () => void;

  /** `render` returns vLLM's own page. The first report comes after `intervalMs`. */
  constructor(render: () => string, pod: string, intervalMs: number, clock: Clock) {
    this.clock = clock;
    this.intervalMs = intervalMs;
    let first = true;
    this.report = () => {
      const report = rayReport(render(), pod, first);
      first = false;
      return report;
    };
    this.cancel = this.next();
  }

  /** Returns the page, and forgets the gauges. */
  scrape(): string {
    const { gauges, others } = this.page;
    this.page.gauges = "";
    return gauges + others;
  }

  close(): void {
    this.cancel();
  }

  private next(): () => void {
    return this.clock.after(this.intervalMs, () => {
      this.page = this.report();
      this.cancel = this.next();
    });
  }
}

/** Turns vLLM's page into the families that a worker reports to the agent. */
function rayReport(page: string, pod: string, first: boolean): Report {
  const id = escapeLabel(pod);
  const labels = `Component="core_worker",NodeAddress="127.0.0.1",ReplicaId="${id}",SessionName="session_1",Version="${VERSION}",WorkerId="${id}"`;
  const report: Report = { gauges: "", others: "" };
  for (const family of page.split(/^(?=# HELP )/m)) {
    const [help = "", type = "", ...samples] = family.trimEnd().split("\n");
    const name = type.split(" ")[2] ?? "";
    const gauge = type.endsWith(" gauge");
    if (!name.startsWith("vllm:") || name.endsWith("_created")) continue;
    if (name === "vllm:cache_config_info" && !first) continue;
    const lines = (gauge ? samples : used(samples)).map((line) => ray(line).replace("{", `{${labels},`));
    if (lines.length === 0) continue;
    report[gauge ? "gauges" : "others"] += [ray(help), ray(type), ...lines, ""].join("\n");
  }
  return report;
}

/** Samples of counters and histograms that have had an event. */
function used(samples: string[]): string[] {
  const value = (line: string) => Number(line.slice(line.lastIndexOf(" ") + 1));
  const histogram = samples.find((line) => line.includes("_count{"));
  if (histogram !== undefined) return value(histogram) > 0 ? samples : [];
  return samples.filter((line) => value(line) > 0);
}

const ray = (line: string): string => line.replace(/\bvllm:/, "ray_vllm_");
