// The dashboard's rows about the model servers, with metrics of the sidecar and of vLLM, and about Wasm in Envoy.
import { ENVOY, quantiles, type Row, SIDECAR, VLLM } from "./queries.ts";

export const SERVER_ROWS: readonly Row[] = [
  {
    title: "Model servers, as the sidecar last read them",
    panels: [
      {
        title: "Ready, asleep",
        about: "ready is 1 if the pod may get requests.",
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
        about: "Streamed answers.",
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
        about: "By the reason of their end.",
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
        about: "Requests that lost their KV blocks, because the cache is too small for the load.",
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
        about: "Each metric by name, summed over Envoys, including those without a panel.",
        unit: "short",
        queries: [{ expr: `sum by (__name__) ({__name__=~"pilotfish_.+", job=~"$envoy"})`, legend: "{{__name__}}" }],
      },
      {
        title: "Sidecar",
        about: "Each metric by name, summed over its labels.",
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
        title: "VMs that failed and were rebuilt",
        about: "Each failure is a defect; please report it. Counted only with the failure_policy FAIL_RELOAD.",
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
