// What the Grafana dashboard shows: rows of panels, each with its queries. grafana.ts makes pilotfish.json of it; the tests
// ask a real Prometheus every one of them. `$envoy`, `$sidecar` and `$vllm` are the jobs that Prometheus scrapes Envoy,
// the sidecar and the model servers under, `$model` is a model's name.

export interface Query {
  expr: string;
  legend: string;
}

export interface Panel {
  title: string;
  /** A sentence for the panel's corner. */
  about: string;
  unit: "reqps" | "s" | "ms" | "short" | "percentunit" | "bytes" | "tokens/s" | "ops";
  queries: readonly Query[];
  /** Areas on top of each other: parts of a whole. */
  stacked?: boolean;
}

export interface Row {
  title: string;
  panels: readonly Panel[];
}

const ENVOY = '{job=~"$envoy"}';
const SIDECAR = '{job=~"$sidecar"}';
const VLLM = '{job=~"$vllm", model_name=~"$model"}';

const ratesOf = (names: readonly string[]): Query[] =>
  names.map((name) => ({ expr: `sum(rate(pilotfish_${name}${ENVOY}[$__rate_interval]))`, legend: name }));

const quantiles = (name: string, by: string, matchers: string, quantile: readonly number[]): Query[] =>
  quantile.map((q) => ({
    expr: `histogram_quantile(${q}, sum by (le, ${by}) (rate(${name}_bucket${matchers}[$__rate_interval])))`,
    legend: `p${q * 100} {{${by}}}`,
  }));

/** Outcomes of a request that goes on: the pick, and why there was none. */
export const OUTCOMES = [
  "picked",
  "unknown_model",
  "no_model",
  "no_snapshot",
  "stale",
  "no_endpoint",
  "no_body",
  "unread_body",
  "untracked",
] as const;
export const REFUSALS = [
  "invalid_body",
  "invalid_model",
  "invalid_field",
  "model_required",
  "model_rejected",
  "too_large",
  "unsupported_type",
  "shed",
  "hold_full",
  "hold_timeout",
  "hold_no_endpoint",
  "hold_displaced",
] as const;
export const WRONG = ["setup_no_reader", "setup_no_holder", "setup_no_body", "setup_not_followed"] as const;
const PUSHED = [
  "snapshot_stored",
  "snapshot_outdated",
  "snapshot_held",
  "snapshot_unauthenticated",
  "snapshot_malformed",
  "snapshot_too_large",
  "snapshot_other",
] as const;

export const ROWS: readonly Row[] = [
  {
    title: "Requests",
    panels: [
      {
        title: "Requests by outcome",
        about:
          "picked: the filter chose the pod. All others went on too, balanced by Envoy, for the reason that is named.",
        unit: "reqps",
        stacked: true,
        queries: ratesOf(OUTCOMES),
      },
      {
        title: "Refused by the filter",
        about: "Answers in OpenAI's error shape, by their cause; shed and hold_*: the pool is full.",
        unit: "reqps",
        stacked: true,
        queries: ratesOf(REFUSALS),
      },
      {
        title: "Picks that others answered, wrong set-ups",
        about:
          "rerouted: a retry, or Envoy did not follow. setup_*: see the guide's table of wrong turns; all should be 0.",
        unit: "reqps",
        queries: ratesOf(["rerouted", ...WRONG]),
      },
      {
        title: "Answers by status",
        about: "Of Envoy's listeners.",
        unit: "reqps",
        stacked: true,
        queries: [
          {
            expr: `sum by (envoy_http_conn_manager_prefix, envoy_response_code_class) (rate(envoy_http_downstream_rq_xx{job=~"$envoy", envoy_http_conn_manager_prefix!="admin"}[$__rate_interval]))`,
            legend: "{{envoy_http_conn_manager_prefix}} {{envoy_response_code_class}}xx",
          },
        ],
      },
      {
        title: "Requests in flight",
        about: "As the filters of each Envoy count them, all workers.",
        unit: "short",
        queries: [
          { expr: `sum by (instance) (pilotfish_in_flight${ENVOY})`, legend: "{{instance}}" },
          {
            expr: `sum by (instance) (pilotfish_in_flight_elsewhere${ENVOY})`,
            legend: "{{instance}}, of other Envoys",
          },
          { expr: `sum by (instance) (pilotfish_hold_now${ENVOY})`, legend: "{{instance}}, held back" },
        ],
      },
      {
        title: "Held back, let go",
        about: "Where admission.mode is hold: requests that wait for room, and what became of them.",
        unit: "reqps",
        queries: ratesOf(["held", "resumed", "hold_timeout", "hold_aborted"]),
      },
      {
        title: "Pods that fail, places that are full",
        about: "ejected: pods left out because their answers failed; places_*: requests that went on to another place.",
        unit: "ops",
        queries: ratesOf(["pod_failed", "ejected", "panic", "places_spilled", "places_full"]),
      },
      {
        title: "Whole answers, Envoy",
        about: "From the first byte of the request to the last of the answer, streams included.",
        unit: "ms",
        queries: quantiles(
          "envoy_http_downstream_rq_time",
          "envoy_http_conn_manager_prefix",
          '{job=~"$envoy", envoy_http_conn_manager_prefix!="admin"}',
          [0.5, 0.99],
        ),
      },
      {
        title: "Retries",
        about: "Each goes to the pick's next fallback.",
        unit: "reqps",
        queries: [
          {
            expr: `sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_retry${ENVOY}[$__rate_interval]))`,
            legend: "{{envoy_cluster_name}}",
          },
        ],
      },
      {
        title: "Names replaced, models listed",
        about: "rewritten: a rule, an alias or the default gave another model; models_listed: GET /v1/models.",
        unit: "reqps",
        queries: ratesOf(["rewritten", "not_renamed", "models_listed", "control_header_stripped"]),
      },
    ],
  },
  {
    title: "Snapshots",
    panels: [
      {
        title: "Age of the snapshot in the filter",
        about: "Above snapshot.staleAfter (2 s) picks end and Envoy balances by itself.",
        unit: "ms",
        queries: [{ expr: `max by (instance) (pilotfish_snapshot_age_ms${ENVOY})`, legend: "{{instance}}" }],
      },
      {
        title: "Age of the readings, sidecar",
        about: "How old each pod's last good reading is.",
        unit: "s",
        queries: [{ expr: `pilotfish_scrape_age_seconds${SIDECAR}`, legend: "{{endpoint}}" }],
      },
      {
        title: "Age of the last push that was taken, sidecar",
        about: "By Envoy.",
        unit: "s",
        queries: [{ expr: `pilotfish_push_age_seconds${SIDECAR}`, legend: "{{target}}" }],
      },
      {
        title: "Pushes, sidecar",
        about: "By result.",
        unit: "ops",
        stacked: true,
        queries: [
          {
            expr: `sum by (result) (rate(pilotfish_pushes_total${SIDECAR}[$__rate_interval]))`,
            legend: "{{result}}",
          },
        ],
      },
      {
        title: "Pushes, filter",
        about: "What the filter answered.",
        unit: "ops",
        stacked: true,
        queries: ratesOf(PUSHED),
      },
      {
        title: "Reads of pods, sidecar",
        about: "By result.",
        unit: "ops",
        stacked: true,
        queries: [
          {
            expr: `sum by (result) (rate(pilotfish_scrapes_total${SIDECAR}[$__rate_interval]))`,
            legend: "{{result}}",
          },
        ],
      },
      {
        title: "How long reads and pushes take",
        about: "99th percentile.",
        unit: "s",
        queries: [
          {
            expr: `histogram_quantile(0.99, sum by (le) (rate(pilotfish_scrape_duration_seconds_bucket${SIDECAR}[$__rate_interval])))`,
            legend: "read",
          },
          {
            expr: `histogram_quantile(0.99, sum by (le) (rate(pilotfish_push_duration_seconds_bucket${SIDECAR}[$__rate_interval])))`,
            legend: "push",
          },
        ],
      },
      {
        title: "In the snapshot",
        about: "dropped: pods and models that it had no room for. Envoy's count of endpoints must be the sidecar's.",
        unit: "short",
        queries: [
          { expr: `max(pilotfish_snapshot_endpoints${ENVOY})`, legend: "endpoints, Envoy" },
          { expr: `max(pilotfish_snapshot_endpoints${SIDECAR})`, legend: "endpoints, sidecar" },
          { expr: `max(pilotfish_snapshot_models${SIDECAR})`, legend: "models" },
          { expr: `max(pilotfish_snapshot_dropped${SIDECAR})`, legend: "dropped" },
        ],
      },
    ],
  },
  {
    title: "Model servers, as the sidecar last read them",
    panels: [
      {
        title: "Ready, asleep",
        about: "1 where a pod may be sent requests.",
        unit: "short",
        queries: [
          { expr: `pilotfish_endpoint_ready${SIDECAR}`, legend: "{{endpoint}} ready" },
          { expr: `pilotfish_endpoint_asleep${SIDECAR}`, legend: "{{endpoint}} asleep" },
        ],
      },
      {
        title: "Queue",
        about: "Requests that wait on each pod.",
        unit: "short",
        queries: [{ expr: `pilotfish_endpoint_waiting${SIDECAR}`, legend: "{{endpoint}}" }],
      },
      {
        title: "Running",
        about: "Requests that run on each pod.",
        unit: "short",
        queries: [{ expr: `pilotfish_endpoint_running${SIDECAR}`, legend: "{{endpoint}}" }],
      },
      {
        title: "KV cache in use",
        about: "By pod.",
        unit: "percentunit",
        queries: [{ expr: `pilotfish_endpoint_kv_usage${SIDECAR}`, legend: "{{endpoint}}" }],
      },
    ],
  },
  {
    title: "vLLM",
    panels: [
      {
        title: "Tokens",
        about: "Prompt tokens prefilled and tokens generated.",
        unit: "tokens/s",
        queries: ["prompt", "generation"].map((kind) => ({
          expr: `sum by (model_name) (rate(vllm:${kind}_tokens_total${VLLM}[$__rate_interval]))`,
          legend: `${kind} {{model_name}}`,
        })),
      },
      {
        title: "Time to first token",
        about: "From the server's receipt of the request.",
        unit: "s",
        queries: quantiles("vllm:time_to_first_token_seconds", "model_name", VLLM, [0.5, 0.9, 0.99]),
      },
      {
        title: "Between two tokens",
        about: "Of streams.",
        unit: "s",
        queries: quantiles("vllm:inter_token_latency_seconds", "model_name", VLLM, [0.5, 0.99]),
      },
      {
        title: "Whole requests",
        about: "From the server's receipt of the request to its last token.",
        unit: "s",
        queries: quantiles("vllm:e2e_request_latency_seconds", "model_name", VLLM, [0.5, 0.99]),
      },
      {
        title: "Waiting and running",
        about: "All pods of a model.",
        unit: "short",
        queries: ["waiting", "running"].map((kind) => ({
          expr: `sum by (model_name) (vllm:num_requests_${kind}${VLLM})`,
          legend: `${kind} {{model_name}}`,
        })),
      },
      {
        title: "Time in the queue",
        about: "Before the first prefill step.",
        unit: "s",
        queries: quantiles("vllm:request_queue_time_seconds", "model_name", VLLM, [0.5, 0.99]),
      },
      {
        title: "KV cache in use",
        about: "Mean and fullest pod of a model.",
        unit: "percentunit",
        queries: ["avg", "max"].map((how) => ({
          expr: `${how} by (model_name) (vllm:kv_cache_usage_perc${VLLM})`,
          legend: `${how} {{model_name}}`,
        })),
      },
      {
        title: "Prefix cache hits",
        about: "Share of prompt tokens that were in a pod's KV cache already.",
        unit: "percentunit",
        queries: [
          {
            expr: `sum by (model_name) (rate(vllm:prefix_cache_hits_total${VLLM}[$__rate_interval])) / sum by (model_name) (rate(vllm:prefix_cache_queries_total${VLLM}[$__rate_interval]))`,
            legend: "{{model_name}}",
          },
        ],
      },
      {
        title: "Finished requests",
        about: "By why they ended.",
        unit: "reqps",
        stacked: true,
        queries: [
          {
            expr: `sum by (model_name, finished_reason) (rate(vllm:request_success_total${VLLM}[$__rate_interval]))`,
            legend: "{{model_name}} {{finished_reason}}",
          },
        ],
      },
      {
        title: "Preemptions",
        about: "Requests whose KV blocks were taken away again: the cache is too small for the load.",
        unit: "ops",
        queries: [
          {
            expr: `sum by (model_name) (rate(vllm:num_preemptions_total${VLLM}[$__rate_interval]))`,
            legend: "{{model_name}}",
          },
        ],
      },
    ],
  },
  {
    title: "All metrics",
    panels: [
      {
        title: "Filter",
        about: "Each metric by name, summed over Envoys: what has no panel of its own is here.",
        unit: "short",
        queries: [{ expr: `sum by (__name__) ({__name__=~"pilotfish_.+", job=~"$envoy"})`, legend: "{{__name__}}" }],
      },
      {
        title: "Sidecar",
        about: "Each metric by name, summed over what it is told of.",
        unit: "short",
        queries: [
          {
            expr: `sum by (__name__) ({__name__=~"pilotfish_.+", __name__!~".+_bucket", job=~"$sidecar"})`,
            legend: "{{__name__}}",
          },
        ],
      },
    ],
  },
  {
    title: "Wasm in Envoy",
    panels: [
      {
        title: "VMs",
        about: "One for each worker and thread that loads the module, for each entry of the policy.",
        unit: "short",
        queries: [
          { expr: `sum by (instance) (envoy_wasm_envoy_wasm_runtime_v8_active${ENVOY})`, legend: "{{instance}}" },
        ],
      },
      {
        title: "VMs that failed and were built anew",
        about: "Any is a defect: please report it. Counted only where failure_policy is FAIL_RELOAD.",
        unit: "short",
        queries: [
          {
            expr: `sum by (instance) ({__name__=~"envoy_wasm_.+_vm_reload", job=~"$envoy"})`,
            legend: "{{instance}}",
          },
        ],
      },
    ],
  },
];
