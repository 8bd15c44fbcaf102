// Writes the `http_*` families of /metrics, from the counts of http-metrics.ts.
import type { Histogram } from "../engine/stats.ts";
import type { Summary, Timed } from "./http-metrics.ts";
import { pythonFloat, sampleValue } from "./numbers.ts";
import type { MetricsSource, Samples } from "./source.ts";

/** Returns the sample lines of one `http_*` family. A family without a sample has no `_created` lines. */
export function httpSamples(name: string, source: MetricsSource): Samples {
  const { http } = source;
  switch (name) {
    case "http_requests_total": {
      const out = { lines: "", created: "" };
      for (const { value, createdAt } of http.requests.values()) {
        const labels = `{handler="${value.handler}",method="${value.method}",status="${value.status}"}`;
        out.lines += `${name}${labels} ${sampleValue(value.count)}\n`;
        out.created += `http_requests_created${labels} ${sampleValue(createdAt)}\n`;
      }
      return out;
    }
    case "http_request_size_bytes":
      return summaries(name, http.requestSizes);
    case "http_response_size_bytes":
      return summaries(name, http.responseSizes);
    case "http_request_duration_highr_seconds":
      return {
        lines: histogramLines(name, "", "", http.highResolution),
        created: `${name}_created ${sampleValue(source.startedAt / 1000)}\n`,
      };
    case "http_request_duration_seconds": {
      const out = { lines: "", created: "" };
      for (const { value, createdAt } of http.durations.values()) {
        const before = `handler="${value.handler}"`;
        const after = `method="${value.method}"`;
        out.lines += histogramLines(name, before, after, value.histogram);
        out.created += `${name}_created{${before},${after}} ${sampleValue(createdAt)}\n`;
      }
      return out;
    }
    default:
      throw new Error(`no source for metric family ${name}`);
  }
}

function summaries(name: string, sizes: Map<string, Timed<Summary>>): Samples {
  const out = { lines: "", created: "" };
  for (const [handler, { value, createdAt }] of sizes) {
    const labels = `{handler="${handler}"}`;
    out.lines += `${name}_count${labels} ${sampleValue(value.count)}\n${name}_sum${labels} ${sampleValue(value.sum)}\n`;
    out.created += `${name}_created${labels} ${sampleValue(createdAt)}\n`;
  }
  return out;
}

/** `before` and `after` are the labels that sort before and after `le`. */
function histogramLines(name: string, before: string, after: string, histogram: Histogram): string {
  const around = (le: string) => [before, `le="${le}"`, after].filter((label) => label !== "").join(",");
  const plain = [before, after].filter((label) => label !== "").join(",");
  const labels = plain === "" ? "" : `{${plain}}`;
  let total = 0;
  let lines = "";
  for (let i = 0; i < histogram.counts.length; i++) {
    total += histogram.counts[i] as number;
    const bound = histogram.bounds[i];
    lines += `${name}_bucket{${around(bound === undefined ? "+Inf" : pythonFloat(bound))}} ${sampleValue(total)}\n`;
  }
  return `${lines}${name}_count${labels} ${sampleValue(histogram.count)}\n${name}_sum${labels} ${sampleValue(histogram.sum)}\n`;
}
