// The dashboard's rows about requests and snapshots, with metrics of the filter and the sidecar.
import { ENVOY, quantiles, type Row, ratesOf, SIDECAR } from "./queries.ts";

/** Outcomes of a request that the filter lets through: a pick, or the reason for a missing pick. */
const OUTCOMES = [
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
const REFUSALS = [
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
const WRONG = ["setup_no_reader", "setup_no_holder", "setup_no_body", "setup_not_followed"] as const;
const PUSHED = [
  "snapshot_stored",
  "snapshot_outdated",
  "snapshot_held",
  "snapshot_unauthenticated",
  "snapshot_malformed",
  "snapshot_too_large",
  "snapshot_other",
] as const;

export const FILTER_ROWS: readonly Row[] = [
  {
    title: "Requests",
    panels: [
      {
        title: "Requests by outcome",
        about:
          "picked: the filter chose the pod. For the other reasons the request went on without a pick, and Envoy balanced it.",
        unit: "reqps",
        stacked: true,
        queries: ratesOf(OUTCOMES),
      },
      {
        title: "Refused by the filter",
        about: "Error responses of the filter by cause. shed and hold_*: the pool is full.",
        unit: "reqps",
        stacked: true,
        queries: ratesOf(REFUSALS),
      },
      {
        title: "Picks that another pod answered, wrong set-ups",
        about:
          "rerouted: a retry, or Envoy did not follow. setup_*: see the guide's table of wrong turns; all should be 0.",
        unit: "reqps",
        queries: ratesOf(["rerouted", ...WRONG]),
      },
      {
        title: "Answers by status",
        about: "Responses of Envoy's listeners.",
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
        about: "In-flight requests of all workers, as the filters of each Envoy count them.",
        unit: "short",
        queries: [
          { expr: `sum by (instance) (pilotfish_in_flight${ENVOY})`, legend: "{{instance}}" },
          {
            expr: `sum by (instance) (pilotfish_in_flight_elsewhere${ENVOY})`,
            legend: "{{instance}}, of other Envoys",
          },
          { expr: `sum by (instance) (pilotfish_hold_now${ENVOY})`, legend: "{{instance}}, waiting" },
        ],
      },
      {
        title: "Waiting requests",
        about: "With admission.mode hold: requests that began to wait for room, and how they ended.",
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
        about: "A retry goes to the pick's next fallback.",
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
        about: "A snapshot older than snapshot.staleAfter (2 s) gives no picks, and Envoy balances.",
        unit: "ms",
        queries: [{ expr: `max by (instance) (pilotfish_snapshot_age_ms${ENVOY})`, legend: "{{instance}}" }],
      },
      {
        title: "Age of the readings, sidecar",
        about: "Age of each pod's last good reading.",
        unit: "s",
        queries: [{ expr: `pilotfish_scrape_age_seconds${SIDECAR}`, legend: "{{endpoint}}" }],
      },
      {
        title: "Age of the last accepted push, sidecar",
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
        about: "The filter's answers to pushes.",
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
        title: "Share of the pods' time that reads take",
        about: "Estimated from the smallest time to answer; of all sidecars together.",
        unit: "percentunit",
        queries: [{ expr: `sum by (endpoint) (pilotfish_scrape_share${SIDECAR})`, legend: "{{endpoint}}" }],
      },
      {
        title: "Duration of reads and pushes",
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
        about:
          "dropped: pods and models for which the snapshot had no room. Envoy and sidecar must have the same number of endpoints.",
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
];
