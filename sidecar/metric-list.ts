// Every metric of the sidecar, with its name, type, labels and description. metrics.ts and metrics-pools.ts make
// prom-client's metrics from this list, and `make docs` makes the table of docs/reference/metrics.md. The names
// inference_pool_* are the endpoint picker's (Gateway API Inference Extension v1.5.0), so that dashboards and autoscalers
// that use them keep working.
import { FULL_KV_USAGE, FULL_WAITING_REQUESTS } from "../protocol/constants.ts";

interface SidecarMetric {
  name: string;
  type: "counter" | "gauge" | "histogram";
  labelNames: readonly string[];
  help: string;
}

const metric =
  (type: SidecarMetric["type"]) =>
  (name: string, labelNames: readonly string[], help: string): SidecarMetric => ({ name, type, labelNames, help });
const counter = metric("counter");
const gauge = metric("gauge");
const histogram = metric("histogram");

const POOL = ["kind", "namespace", "pool"];
const PICKER_POOL = ["name", "namespace"];

export const METRICS = {
  endpointReady: gauge("pilotfish_endpoint_ready", ["endpoint"], "1 if the endpoint is ready for requests, else 0."),
  endpointAsleep: gauge("pilotfish_endpoint_asleep", ["endpoint"], "1 if the endpoint's engine sleeps, else 0."),
  endpointWaiting: gauge(
    "pilotfish_endpoint_waiting",
    ["endpoint"],
    "Waiting requests of the endpoint, as last scraped.",
  ),
  endpointRunning: gauge(
    "pilotfish_endpoint_running",
    ["endpoint"],
    "Running requests of the endpoint, as last scraped.",
  ),
  endpointKvUsage: gauge(
    "pilotfish_endpoint_kv_usage",
    ["endpoint"],
    "KV-cache usage of the endpoint, 0 to 1, as last scraped.",
  ),
  scrapeAge: gauge(
    "pilotfish_scrape_age_seconds",
    ["endpoint"],
    "Seconds since the endpoint's last successful scrape.",
  ),

  prefillRate: gauge(
    "pilotfish_endpoint_prefill_rate",
    ["endpoint"],
    "Uncached prompt tokens that the endpoint prefills in a second, as learned or pinned.",
  ),
  stepSeconds: gauge(
    "pilotfish_endpoint_step_seconds",
    ["endpoint"],
    "Seconds of an engine step without its prefill and its sequences, as learned or pinned.",
  ),
  sequenceSeconds: gauge(
    "pilotfish_endpoint_sequence_seconds",
    ["endpoint"],
    "Seconds that one more running sequence adds to an engine step, as learned or pinned.",
  ),
  kvBlocks: gauge(
    "pilotfish_endpoint_kv_blocks",
    ["endpoint"],
    "KV blocks that the endpoint's caches hold together, as reported, corrected or pinned.",
  ),
  tokensPerRequest: gauge(
    "pilotfish_model_tokens_per_request",
    ["model"],
    "Prompt tokens of each request beside its text, as learned or pinned. At most 64 base models are listed.",
  ),
  tokensPerByte: gauge(
    "pilotfish_model_tokens_per_byte",
    ["model", "bytes"],
    "Prompt tokens of a byte, as learned or pinned, for lower-case ASCII letters (`lower`), upper-case ones (`upper`), " +
      "ASCII digits (`digit`), other ASCII (`other`) and bytes from 128 on (`high`).",
  ),

  scrapes: counter(
    "pilotfish_scrapes_total",
    ["endpoint", "result"],
    "Scrapes by result: `ok`, or why the scrape failed.",
  ),
  scrapeDuration: histogram(
    "pilotfish_scrape_duration_seconds",
    [],
    "Duration of successful scrapes, of all endpoints together.",
  ),
  scrapeLastDuration: gauge(
    "pilotfish_scrape_last_duration_seconds",
    ["endpoint"],
    "Duration of the endpoint's last successful scrape.",
  ),
  scrapePage: gauge(
    "pilotfish_scrape_page",
    ["endpoint", "page"],
    "1 for the page that the endpoint is asked for: `restricted` to the used samples, or the `whole` page. `ignored`, `empty`, " +
      "`partial` and `failed` also mean the whole page, and say what was wrong with the restricted page.",
  ),
  scrapePages: counter(
    "pilotfish_scrape_pages_total",
    ["endpoint", "kind"],
    "Pages that were read, `whole` or `restricted`.",
  ),
  scrapeBytes: counter(
    "pilotfish_scrape_bytes_total",
    ["endpoint"],
    "Bytes of the responses to scrapes, as they arrived, heads included.",
  ),
  scrapeAnswer: gauge(
    "pilotfish_scrape_answer_seconds",
    ["endpoint"],
    "The smallest time to answer a scrape in the last minute. Queues only lengthen an answer, so this is the endpoint's own work.",
  ),
  scrapeShare: gauge(
    "pilotfish_scrape_share",
    ["endpoint"],
    "Estimated share of the endpoint's time that this sidecar's scrapes took lately, 0 to 1: scrapes a second, times the " +
      "smallest time to answer.",
  ),
  modelsErrors: counter(
    "pilotfish_models_errors_total",
    ["endpoint", "result"],
    "Failed reads of `/v1/models`, by cause.",
  ),
  probeErrors: counter("pilotfish_probe_errors_total", ["endpoint", "result"], "Failed health probes, by cause."),
  scrapesPutOff: counter(
    "pilotfish_scrapes_put_off_total",
    [],
    "Scrapes that were put off by an interval, because `scrape.concurrency` scrapes were running.",
  ),
  readingsShared: counter(
    "pilotfish_readings_shared_total",
    ["event"],
    "Readings of endpoints between sidecars: pushes of this sidecar that an Envoy stored (`sent`) or did not store (`failed`), and " +
      "readings of another sidecar that count (`received`) or that are wrong (`refused`).",
  ),
  scrapedElsewhere: gauge(
    "pilotfish_endpoint_scraped_elsewhere",
    ["endpoint"],
    "1 if the endpoint's last reading is from a scrape of another sidecar, else 0.",
  ),
  discoveryErrors: counter("pilotfish_discovery_errors_total", ["source"], "Failed attempts to find endpoints."),

  pushes: counter(
    "pilotfish_pushes_total",
    ["target", "result"],
    "Pushes by result: `ok`, or why the snapshot was not stored.",
  ),
  pushDuration: histogram(
    "pilotfish_push_duration_seconds",
    ["target"],
    "Duration of pushes, until the filter's response.",
  ),
  pushAge: gauge(
    "pilotfish_push_age_seconds",
    ["target"],
    "Seconds since the start of the last push that the target stored.",
  ),
  snapshotBytes: gauge("pilotfish_snapshot_bytes", [], "Size of the last snapshot in bytes."),
  snapshotEndpoints: gauge("pilotfish_snapshot_endpoints", [], "Endpoints in the last snapshot."),
  snapshotModels: gauge("pilotfish_snapshot_models", [], "Models and adapters in the last snapshot."),
  snapshotDropped: gauge(
    "pilotfish_snapshot_dropped",
    [],
    "Endpoints, models and objects that did not fit into the last snapshot.",
  ),
  configReloads: counter(
    "pilotfish_config_reloads_total",
    ["result"],
    "Changes of the configuration file by result: `ok`, or `refused` if the file has an error.",
  ),

  poolEndpoints: gauge("pilotfish_pool_endpoints", POOL, "Endpoints of the pool."),
  poolReady: gauge("pilotfish_pool_ready", POOL, "Endpoints of the pool that are ready for requests."),
  poolWaiting: gauge("pilotfish_pool_waiting", POOL, "Waiting requests of the pool's endpoints."),
  poolRunning: gauge("pilotfish_pool_running", POOL, "Running requests of the pool's endpoints."),
  poolKvUsage: gauge("pilotfish_pool_kv_usage", POOL, "KV-cache usage, 0 to 1: mean over the ready endpoints."),
  poolCacheTokens: gauge(
    "pilotfish_pool_cache_tokens",
    POOL,
    "Capacity of the KV caches of the ready endpoints, in tokens.",
  ),
  poolSaturation: gauge(
    "pilotfish_pool_saturation",
    POOL,
    "Saturation of the pool: mean over the ready endpoints of " +
      `max(waiting / ${FULL_WAITING_REQUESTS}, KV-cache usage / ${FULL_KV_USAGE}). At 1 the pool is full.`,
  ),
  poolAge: gauge("pilotfish_pool_age_seconds", POOL, "Seconds since the oldest last scrape of a ready endpoint."),
  pickerKvUsage: gauge(
    "inference_pool_average_kv_cache_utilization",
    PICKER_POOL,
    "Mean KV-cache usage of an InferencePool, under the endpoint picker's name.",
  ),
  pickerQueueSize: gauge(
    "inference_pool_average_queue_size",
    PICKER_POOL,
    "Waiting requests per ready endpoint of an InferencePool, under the endpoint picker's name.",
  ),
  pickerRunning: gauge(
    "inference_pool_average_running_requests",
    PICKER_POOL,
    "Running requests per ready endpoint of an InferencePool, under the endpoint picker's name.",
  ),
  pickerReady: gauge(
    "inference_pool_ready_pods",
    PICKER_POOL,
    "Ready endpoints of an InferencePool, under the endpoint picker's name.",
  ),
  exported: gauge(
    "pilotfish_exported",
    ["namespace", "object", "name", "endpoint"],
    "Readings that an AutoscalingMetric (`object`) exports under its `exportName` (`name`).",
  ),
} as const satisfies Record<string, SidecarMetric>;
