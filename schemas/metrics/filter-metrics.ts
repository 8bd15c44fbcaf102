// Every metric of the filter, with its type, name and description. From this list `make docs` generates the constants of
// assembly/metric-list.ts and the table of docs/reference/metrics.md. Envoy's name of a metric is `wasmcustom.<name>`; in
// Prometheus the name is `pilotfish_...`.

export interface FilterMetric {
  type: "counter" | "gauge";
  /** True: each place has this metric, and `name` follows `pilotfish.place.NAME`. Metrics of proxy-wasm have no labels. */
  perPlace?: true;
  name: string;
  description: string;
}

const counter = (name: string, description: string): FilterMetric => ({ type: "counter", name, description });
const gauge = (name: string, description: string): FilterMetric => ({ type: "gauge", name, description });
const placeCounter = (name: string, description: string): FilterMetric => ({
  type: "counter",
  perPlace: true,
  name,
  description,
});

/** The metrics by the names of their constants. The order gives the metrics their numbers. */
export const FILTER_METRICS: Readonly<Record<string, FilterMetric>> = {
  // Outcomes: what the filter decided. A request with a body adds 1 to one of these counters. A request that admission refuses
  // adds 1 under "Admission" instead.
  PICKED: counter("pilotfish.picked", "Requests for which an endpoint was picked."),
  UNKNOWN_MODEL: counter(
    "pilotfish.unknown_model",
    "Requests for a model that the snapshot does not have. The model's header is set; the route decides, and Envoy balances.",
  ),
  NO_MODEL: counter("pilotfish.no_model", "Requests whose body has no usable `model`. No header is set."),
  NO_SNAPSHOT: counter(
    "pilotfish.no_snapshot",
    "Requests before the first snapshot. The model's header is set, and Envoy balances.",
  ),
  STALE: counter(
    "pilotfish.stale",
    "Requests that were not picked because the snapshot is older than `snapshot.staleAfter` (`pick.onStale` is `fallback`). " +
      "The model's header is set, and Envoy balances.",
  ),
  NO_ENDPOINT: counter(
    "pilotfish.no_endpoint",
    "Requests for a model without an endpoint that is ready, awake and not draining. The model's header is set, and Envoy balances.",
  ),
  INVALID_BODY: counter(
    "pilotfish.invalid_body",
    "Requests refused with 400: the body is not valid JSON, or not a form that every parser reads alike.",
  ),
  INVALID_MODEL: counter(
    "pilotfish.invalid_model",
    "Requests refused with 400: `model` is not text, is too long, or cannot stand in a header.",
  ),
  UNREAD_BODY: counter(
    "pilotfish.unread_body",
    "Requests whose body is neither JSON nor a form. They are passed on without a model header.",
  ),
  INVALID_FIELD: counter(
    "pilotfish.invalid_field",
    "Requests refused with 400: the value of a field of `body.fields` cannot stand in a header.",
  ),
  MODEL_REQUIRED: counter(
    "pilotfish.model_required",
    "Requests refused with 400: the body has no `model`, and `body.requireModel` is set.",
  ),
  MODEL_REJECTED: counter(
    "pilotfish.model_rejected",
    "Requests refused with 404: the snapshot does not have the model, and `models.unknown` is `reject`.",
  ),
  TOO_LARGE: counter(
    "pilotfish.too_large",
    "Requests refused with 413: the body is larger than `body.maxBytes`, or than `body.maxRewriteBytes` if its model name is replaced.",
  ),
  UNSUPPORTED_TYPE: counter(
    "pilotfish.unsupported_type",
    "Requests refused with 415: the body is compressed, or `body.otherTypes` rejects its content type.",
  ),

  // Counters that a request may increase beside its outcome.
  REQUESTS: counter(
    "pilotfish.requests",
    "Requests, without those that the filter itself answers: the reserved path and `GET /v1/models`.",
  ),
  NO_BODY: counter("pilotfish.no_body", "Requests without a body, and WebSockets. They are passed on."),
  STRIPPED: counter(
    "pilotfish.control_header_stripped",
    "Requests that carried a control header of their own. The header was removed.",
  ),
  REROUTED: counter(
    "pilotfish.rerouted",
    "Requests that another endpoint than the picked one answered, after a retry or because Envoy did not follow the pick. Of requests that took less than 20 ms, one in 16 is checked.",
  ),
  UNTRACKED: counter("pilotfish.untracked", "Requests that were passed on unread, because too many streams were open."),
  FIELD_IGNORED: counter(
    "pilotfish.field_ignored",
    "Fields of `body.fields` whose value was an object or a list. No header was set.",
  ),
  REWRITTEN: counter(
    "pilotfish.rewritten",
    "Requests whose model name was replaced, by a name rule or `models.default`.",
  ),
  NOT_RENAMED: counter(
    "pilotfish.not_renamed",
    "Responses into which the client's own model name could not be put back: they were compressed, or a chunk was larger than 8 MiB.",
  ),
  MODELS_LISTED: counter(
    "pilotfish.models_listed",
    "Requests for `/v1/models` or one of its models that were answered from the snapshot.",
  ),

  // Pushes and read-backs.
  SNAPSHOT_STORED: counter("pilotfish.snapshot.stored", "Pushed snapshots that were stored."),
  SNAPSHOT_READ: counter("pilotfish.snapshot.read", "Read-backs of the snapshot that were answered."),
  SNAPSHOT_UNAUTHENTICATED: counter(
    "pilotfish.snapshot.unauthenticated",
    "Pushes and read-backs refused with 401: the secret is missing or wrong.",
  ),
  SNAPSHOT_MALFORMED: counter(
    "pilotfish.snapshot.malformed",
    "Pushes refused with 400: the body is not a valid snapshot.",
  ),
  SNAPSHOT_OUTDATED: counter(
    "pilotfish.snapshot.outdated",
    "Pushes refused with 409: the snapshot is not newer than the stored one.",
  ),
  SNAPSHOT_HELD: counter(
    "pilotfish.snapshot.held",
    "Pushes refused with 409: the snapshot of another sidecar is in use and is as complete.",
  ),
  SNAPSHOT_TOO_LARGE: counter(
    "pilotfish.snapshot.too_large",
    "Pushes refused with 413: the snapshot is larger than `snapshot.maxBytes`.",
  ),
  SNAPSHOT_OTHER: counter(
    "pilotfish.snapshot.other",
    "Requests of the reserved path that were refused otherwise: 404 for another path, 405 for another method, 500 if the snapshot could not be stored.",
  ),
  REPORTED: counter(
    "pilotfish.reported",
    "Traffic reports that sidecars got: this Envoy's in-flight requests and prefixes, for other Envoys.",
  ),
  TRAFFIC_STORED: counter(
    "pilotfish.traffic.stored",
    "Traffic pushes that were stored: the in-flight requests and prefixes of other Envoys.",
  ),
  READINGS_STORED: counter(
    "pilotfish.readings.stored",
    "Pushes of a collector's readings of pods that were stored for the other sidecars.",
  ),
  READINGS_REFUSED: counter(
    "pilotfish.readings.refused",
    "Pushes of readings of pods that were refused: with 409 if another sidecar is this Envoy's collector, with 500 if they could not be stored.",
  ),
  SHARED_FAILED: counter(
    "pilotfish.shared.failed",
    "Values that Envoy's shared data did not take: the host refused the value, or other workers changed it each time first.",
  ),

  // A set-up that does not work.
  SETUP_NO_READER: counter(
    "pilotfish.setup.no_reader",
    "Requests that a holder passed on, because no reader stands in front of it.",
  ),
  SETUP_NO_HOLDER: counter(
    "pilotfish.setup.no_holder",
    "Requests that a reader passed on, because no holder stands behind it.",
  ),
  SETUP_NO_BODY: counter(
    "pilotfish.setup.no_body",
    "Requests that were let go unread, because no body ever came: `allow_on_headers_stop_iteration` is not set.",
  ),
  SETUP_NOT_FOLLOWED: counter(
    "pilotfish.setup.not_followed",
    "Requests that Envoy sent elsewhere at once: its cluster has no `override_host` policy, or does not have the endpoint.",
  ),

  // Endpoints that fail, and what they report.
  EJECTED: counter(
    "pilotfish.ejected",
    "Endpoints that were ejected, because their responses failed in a row (`pick.ejection`).",
  ),
  POD_FAILED: counter(
    "pilotfish.pod_failed",
    "Responses that failed by the endpoint's fault: no connection, a reset, a 500, 502, 503 or 504.",
  ),
  PANIC: counter(
    "pilotfish.panic",
    "Requests that were picked as if no endpoint were ejected, because more than half of the model's endpoints were.",
  ),
  LOAD_REPORTS: counter(
    "pilotfish.load_reports",
    "Load reports of endpoints that came with a response and are used (`pick.loadReports`).",
  ),
  LOAD_REPORT_UNREADABLE: counter(
    "pilotfish.load_report_unreadable",
    "Load reports that could not be read. The last scrape counts instead.",
  ),

  // Admission.
  SHED: counter(
    "pilotfish.shed",
    "Requests refused with 429: the pool is saturated, and the request's priority is below 0.",
  ),
  HELD: counter(
    "pilotfish.held",
    "Requests that had to wait for room (`admission.mode` `hold`). Each of them is then resumed, refused, displaced or aborted.",
  ),
  RESUMED: counter("pilotfish.resumed", "Waiting requests that went on."),
  HOLD_TIMEOUT: counter(
    "pilotfish.hold.timeout",
    "Waiting requests refused with 503: there was no room within `admission.hold.timeout`.",
  ),
  HOLD_NO_ENDPOINT: counter(
    "pilotfish.hold.no_endpoint",
    "Waiting requests refused with 503: the model had no endpoint, and none came within `admission.hold.timeout`.",
  ),
  HOLD_FULL: counter("pilotfish.hold.full", "Requests refused with 429 at once, because the hold queue was full."),
  HOLD_DISPLACED: counter(
    "pilotfish.hold.displaced",
    "Waiting requests refused with 429, because a request of a higher priority needed the room in the queue.",
  ),
  HOLD_ABORTED: counter("pilotfish.hold.aborted", "Waiting requests whose client went away."),
  HELD_NOW: gauge("pilotfish.hold.now", "Requests that wait now, in all workers."),

  // How requests were picked.
  SESSION_KEPT: counter("pilotfish.session.kept", "Requests of a session that went to the session's own endpoint."),
  SESSION_MOVED: counter(
    "pilotfish.session.moved",
    "Requests of a session that went elsewhere, because the session's endpoint had far too much to do.",
  ),
  RESPONSE_FOUND: counter(
    "pilotfish.response.found",
    "Requests of the Responses API that went to the endpoint that keeps the response they name.",
  ),
  RESPONSE_UNKNOWN: counter(
    "pilotfish.response.unknown",
    "Requests of the Responses API that name a response of which no endpoint is known. They go on like other requests.",
  ),
  DRY_RUN_AGREED: counter(
    "pilotfish.dry_run.agreed",
    "Requests in a dry run that Envoy sent to the endpoint that would have been picked (`pick.dryRun`).",
  ),
  DRY_RUN_DIFFERED: counter(
    "pilotfish.dry_run.differed",
    "Requests in a dry run that Envoy sent to another endpoint than the one that would have been picked.",
  ),
  EXPLAINED: counter("pilotfish.explained", "Responses that carry an explanation of their pick (`pick.debugSecret`)."),
  PLACES_SPILLED: counter(
    "pilotfish.places.spilled",
    "Requests that were sent to another place than the nearest one, because that place had no room.",
  ),
  PLACES_FULL: counter(
    "pilotfish.places.full",
    "Requests that came while every place was at its limit. They are spread by how full the places are.",
  ),
  PLACES_DRY_RUN: counter(
    "pilotfish.places.dry_run",
    "Requests whose place was chosen and counted, but not used, because the policy has `dryRun`.",
  ),

  // The state now.
  IN_FLIGHT: gauge("pilotfish.in_flight", "In-flight requests of this Envoy, over all workers."),
  IN_FLIGHT_ELSEWHERE: gauge(
    "pilotfish.in_flight_elsewhere",
    "In-flight requests of other Envoys to the endpoints of the snapshot, as the sidecar last reported them.",
  ),
  SNAPSHOT_AGE: gauge("pilotfish.snapshot.age_ms", "Milliseconds since the snapshot in use was received."),
  ENDPOINTS: gauge("pilotfish.snapshot.endpoints", "Endpoints in the snapshot in use."),

  // Metrics of each place, such as pilotfish.place.NAME.picked.
  PLACE_PICKED: placeCounter(
    ".picked",
    "Requests for which an endpoint in the place was picked. The places after the first 64 are counted together, as `others`.",
  ),
  PLACE_WOULD_PICK: placeCounter(".would_pick", "Requests that a policy with `dryRun` would have sent to the place."),
};
