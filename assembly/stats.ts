// Every outcome has a counter; this list is all of them. Envoy shows them as `wasmcustom.<name>`, Prometheus as
// `pilotfish_<...>`. The README's table is checked against this file.

import { Writer } from "./base/writer";
import { COUNTER, defineMetric, GAUGE, incrementMetric, metricValue, recordMetric } from "./host/calls";

// one outcome for every request that carries a body
export const PICKED: u32 = 0;
export const UNKNOWN_MODEL: u32 = 1;
export const NO_MODEL: u32 = 2;
export const NO_SNAPSHOT: u32 = 3;
export const STALE: u32 = 4;
export const NO_ENDPOINT: u32 = 5;
export const INVALID_BODY: u32 = 6;
export const INVALID_MODEL: u32 = 7;
export const UNREAD_BODY: u32 = 8;
export const INVALID_FIELD: u32 = 9;
export const MODEL_REQUIRED: u32 = 10;
export const MODEL_REJECTED: u32 = 11;
export const TOO_LARGE: u32 = 12;
export const UNSUPPORTED_TYPE: u32 = 13;
// beside the outcome
export const REQUESTS: u32 = 14;
export const NO_BODY: u32 = 15;
export const STRIPPED: u32 = 16;
export const REROUTED: u32 = 17;
export const UNTRACKED: u32 = 18;
export const FIELD_IGNORED: u32 = 19;
export const REWRITTEN: u32 = 20;
export const NOT_RENAMED: u32 = 21;
export const MODELS_LISTED: u32 = 22;
// pushes and read-backs
export const SNAPSHOT_STORED: u32 = 23;
export const SNAPSHOT_READ: u32 = 24;
export const SNAPSHOT_UNAUTHENTICATED: u32 = 25;
export const SNAPSHOT_MALFORMED: u32 = 26;
export const SNAPSHOT_OUTDATED: u32 = 27;
export const SNAPSHOT_TOO_LARGE: u32 = 28;
export const SNAPSHOT_OTHER: u32 = 29;
// a set-up that does not work
export const SETUP_NO_READER: u32 = 30;
export const SETUP_NO_HOLDER: u32 = 31;
export const SETUP_NO_BODY: u32 = 32;
export const SETUP_NOT_FOLLOWED: u32 = 33;
// places (filter/request/place.ts has further ones, by the places' names)
export const PLACES_SPILLED: u32 = 90;
export const PLACES_FULL: u32 = 91;
export const PLACES_DRY_RUN: u32 = 92;
// pods that fail
export const EJECTED: u32 = 40;
export const POD_FAILED: u32 = 41;
export const PANIC: u32 = 42;
// what pods say with their answers
export const LOAD_REPORTS: u32 = 58;
export const LOAD_REPORT_UNREADABLE: u32 = 59;
// admission
export const SHED: u32 = 60;
export const HELD: u32 = 61;
export const RESUMED: u32 = 62;
export const HOLD_TIMEOUT: u32 = 63;
export const HOLD_NO_ENDPOINT: u32 = 64;
export const HOLD_FULL: u32 = 65;
export const HOLD_DISPLACED: u32 = 66;
export const HOLD_ABORTED: u32 = 67;
export const HELD_NOW: u32 = 68;
// how requests were picked
export const SESSION_KEPT: u32 = 43;
export const SESSION_MOVED: u32 = 44;
export const RESPONSE_FOUND: u32 = 45;
export const RESPONSE_UNKNOWN: u32 = 46;
export const DRY_RUN_AGREED: u32 = 47;
export const DRY_RUN_DIFFERED: u32 = 48;
export const EXPLAINED: u32 = 49;
// gauges
export const IN_FLIGHT: u32 = 34;
export const SNAPSHOT_AGE: u32 = 35;
export const ENDPOINTS: u32 = 36;
// pushes by several sidecars, and what Envoys tell each other
export const SNAPSHOT_HELD: u32 = 80;
export const REPORTED: u32 = 81;
export const IN_FLIGHT_ELSEWHERE: u32 = 82;
export const SHARED_FAILED: u32 = 83;

/** The numbers above stay below it; they may have gaps. */
const MOST: u32 = 128;
/** u32 of the host for each of the above. */
const ids: usize = memory.data(512, 4);
/** usize of the string for each of the above: its name, static memory. */
const names: usize = memory.data(512, 4);
let defined: bool = false;

/** Once per VM, from the first configuration. */
export function defineMetrics(): void {
  if (defined) return;
  defined = true;
  // Requests whose body named a model and for which an endpoint was picked.
  define(PICKED, COUNTER, "pilotfish.picked");
  // The model is not in the snapshot: the header is set, the route decides, Envoy balances.
  define(UNKNOWN_MODEL, COUNTER, "pilotfish.unknown_model");
  // A body without a usable `model`: no header is set.
  define(NO_MODEL, COUNTER, "pilotfish.no_model");
  // No snapshot has come yet: the header is set, Envoy balances.
  define(NO_SNAPSHOT, COUNTER, "pilotfish.no_snapshot");
  // The snapshot is older than `snapshot.staleAfter`: the header is set, Envoy balances.
  define(STALE, COUNTER, "pilotfish.stale");
  // The model has no endpoint that is ready, awake and not draining: the header is set, Envoy balances.
  define(NO_ENDPOINT, COUNTER, "pilotfish.no_endpoint");
  // Refused with 400: the body is not the JSON object that the server would read.
  define(INVALID_BODY, COUNTER, "pilotfish.invalid_body");
  // Refused with 400: `model` is not a string, is too long or cannot stand in a header.
  define(INVALID_MODEL, COUNTER, "pilotfish.invalid_model");
  // A body that is neither JSON nor a form: passed on without a model header.
  define(UNREAD_BODY, COUNTER, "pilotfish.unread_body");
  // Refused with 400: a field that is written into a header cannot stand in one.
  define(INVALID_FIELD, COUNTER, "pilotfish.invalid_field");
  // Refused with 400: no `model`, and `body.requireModel` is set.
  define(MODEL_REQUIRED, COUNTER, "pilotfish.model_required");
  // Refused with 404: the model is not in the snapshot, and `models.unknown` is reject.
  define(MODEL_REJECTED, COUNTER, "pilotfish.model_rejected");
  // Refused with 413: over `body.maxBytes`, or over `body.maxRewriteBytes` where the name is replaced.
  define(TOO_LARGE, COUNTER, "pilotfish.too_large");
  // Refused with 415: a compressed body, or a content type that `body.otherTypes` rejects.
  define(UNSUPPORTED_TYPE, COUNTER, "pilotfish.unsupported_type");
  // All requests but those that the filter itself serves: the reserved path, GET /v1/models.
  define(REQUESTS, COUNTER, "pilotfish.requests");
  // Requests without a body, and WebSockets: passed on.
  define(NO_BODY, COUNTER, "pilotfish.no_body");
  // Requests that came with a control header of their own, which was removed.
  define(STRIPPED, COUNTER, "pilotfish.control_header_stripped");
  // Requests that another endpoint than the pick answered: a retry, or Envoy did not follow. Of those under 20 ms one in 16 is looked at.
  define(REROUTED, COUNTER, "pilotfish.rerouted");
  // Requests that were passed on unread because more streams were open than can be tracked.
  define(UNTRACKED, COUNTER, "pilotfish.untracked");
  // Fields for headers that held an object or a list: no header is set.
  define(FIELD_IGNORED, COUNTER, "pilotfish.field_ignored");
  // Requests whose model name was replaced, by a rule, an alias or the default.
  define(REWRITTEN, COUNTER, "pilotfish.rewritten");
  // Answers in which the client's own name could not be put back: compressed, or a chunk of more than 8 MiB.
  define(NOT_RENAMED, COUNTER, "pilotfish.not_renamed");
  // GET /v1/models, and of one of them, answered from the snapshot.
  define(MODELS_LISTED, COUNTER, "pilotfish.models_listed");
  // Pushed snapshots that were stored.
  define(SNAPSHOT_STORED, COUNTER, "pilotfish.snapshot.stored");
  // Read-backs that were answered.
  define(SNAPSHOT_READ, COUNTER, "pilotfish.snapshot.read");
  // Refused with 401: the secret is missing or wrong.
  define(SNAPSHOT_UNAUTHENTICATED, COUNTER, "pilotfish.snapshot.unauthenticated");
  // Refused with 400: not a snapshot.
  define(SNAPSHOT_MALFORMED, COUNTER, "pilotfish.snapshot.malformed");
  // Refused with 409: not newer than the stored one.
  define(SNAPSHOT_OUTDATED, COUNTER, "pilotfish.snapshot.outdated");
  // Refused with 409: another sidecar's snapshot is in use, which is as complete.
  define(SNAPSHOT_HELD, COUNTER, "pilotfish.snapshot.held");
  // Reports of this Envoy's requests in flight, given to sidecars for other Envoys.
  define(REPORTED, COUNTER, "pilotfish.reported");
  // Changes of data that the workers share which were not made: the host refused them, or other workers came first 128 times.
  define(SHARED_FAILED, COUNTER, "pilotfish.shared.failed");
  // Refused with 413: over `snapshot.maxBytes`.
  define(SNAPSHOT_TOO_LARGE, COUNTER, "pilotfish.snapshot.too_large");
  // Refused otherwise: 404 for another reserved path, 405 for another method, 500 when it could not be stored.
  define(SNAPSHOT_OTHER, COUNTER, "pilotfish.snapshot.other");
  // Requests that a holder passed on because no reader stands in front of it.
  define(SETUP_NO_READER, COUNTER, "pilotfish.setup.no_reader");
  // Requests that a reader passed on because no holder stands behind it.
  define(SETUP_NO_HOLDER, COUNTER, "pilotfish.setup.no_holder");
  // Requests let go unread because no body ever came: `allow_on_headers_stop_iteration` is not set.
  define(SETUP_NO_BODY, COUNTER, "pilotfish.setup.no_body");
  // Requests that Envoy sent elsewhere at once: no override_host policy, or endpoints that the cluster does not have.
  define(SETUP_NOT_FOLLOWED, COUNTER, "pilotfish.setup.not_followed");
  // Requests that were sent to another place than the nearest, because that one had no room.
  define(PLACES_SPILLED, COUNTER, "pilotfish.places.spilled");
  // Requests that came when every place was at its limit: spread by how full they are.
  define(PLACES_FULL, COUNTER, "pilotfish.places.full");
  // Requests whose place was chosen and counted, but not used: the policy says dryRun.
  define(PLACES_DRY_RUN, COUNTER, "pilotfish.places.dry_run");
  // Pods that were ejected because their answers failed, in a row.
  define(EJECTED, COUNTER, "pilotfish.ejected");
  // Answers that failed by a pod's fault: no connection, a reset, a 500, 502, 503 or 504.
  define(POD_FAILED, COUNTER, "pilotfish.pod_failed");
  // Requests that were picked as if no pod were ejected, because more than half of the model's pods were.
  define(PANIC, COUNTER, "pilotfish.panic");
  // Load reports of endpoints that came with an answer and were taken (`pick.loadReports`).
  define(LOAD_REPORTS, COUNTER, "pilotfish.load_reports");
  // Load reports that could not be read: the last scrape counts.
  define(LOAD_REPORT_UNREADABLE, COUNTER, "pilotfish.load_report_unreadable");
  // Refused with 429: the pool is saturated and the request's priority below 0.
  define(SHED, COUNTER, "pilotfish.shed");
  // Requests that were held back until there was room. Each is then resumed, timed out, displaced or aborted.
  define(HELD, COUNTER, "pilotfish.held");
  // Held requests that went on.
  define(RESUMED, COUNTER, "pilotfish.resumed");
  // Held requests refused with 503: there was no room in time.
  define(HOLD_TIMEOUT, COUNTER, "pilotfish.hold.timeout");
  // Held requests refused with 503: the model had no endpoint, and none came in time.
  define(HOLD_NO_ENDPOINT, COUNTER, "pilotfish.hold.no_endpoint");
  // Refused with 429, never held: as many requests wait as may.
  define(HOLD_FULL, COUNTER, "pilotfish.hold.full");
  // Held requests refused with 429: one of a higher priority took the place.
  define(HOLD_DISPLACED, COUNTER, "pilotfish.hold.displaced");
  // Held requests whose client went away.
  define(HOLD_ABORTED, COUNTER, "pilotfish.hold.aborted");
  // Requests that are held now, all workers.
  define(HELD_NOW, GAUGE, "pilotfish.hold.now");
  // Requests that name a session and were picked its own endpoint.
  define(SESSION_KEPT, COUNTER, "pilotfish.session.kept");
  // Requests that name a session and were sent elsewhere, because its endpoint had far too much to do.
  define(SESSION_MOVED, COUNTER, "pilotfish.session.moved");
  // Requests for a response, or going on from one, that were sent to the pod that holds it.
  define(RESPONSE_FOUND, COUNTER, "pilotfish.response.found");
  // Requests for a response, or going on from one, of which no pod is known that holds it: they go on as others do.
  define(RESPONSE_UNKNOWN, COUNTER, "pilotfish.response.unknown");
  // Dry run: requests that Envoy sent to the endpoint that would have been picked.
  define(DRY_RUN_AGREED, COUNTER, "pilotfish.dry_run.agreed");
  // Dry run: requests that Envoy sent to another endpoint than would have been picked.
  define(DRY_RUN_DIFFERED, COUNTER, "pilotfish.dry_run.differed");
  // Answers that carry an explanation of their pick.
  define(EXPLAINED, COUNTER, "pilotfish.explained");
  // Requests in flight on endpoints, all workers.
  define(IN_FLIGHT, GAUGE, "pilotfish.in_flight");
  // Requests in flight on endpoints that other Envoys sent, as last told.
  define(IN_FLIGHT_ELSEWHERE, GAUGE, "pilotfish.in_flight_elsewhere");
  // Milliseconds since the snapshot in use was received.
  define(SNAPSHOT_AGE, GAUGE, "pilotfish.snapshot.age_ms");
  // Endpoints in the snapshot in use.
  define(ENDPOINTS, GAUGE, "pilotfish.snapshot.endpoints");
}

function define(metric: u32, type: i32, name: string): void {
  store<u32>(ids + metric * 4, defineMetric(type, name));
  store<usize>(names + metric * 4, changetype<usize>(name));
}

export function count(metric: u32): void {
  incrementMetric(load<u32>(ids + metric * 4), 1);
}

export function record(metric: u32, value: u64): void {
  recordMetric(load<u32>(ids + metric * 4), value);
}

/** `{"pilotfish.picked":12,...}` of all metrics, over all workers. */
export function writeMetrics(w: Writer): void {
  let first = true;
  for (let metric: u32 = 0; metric < MOST; metric++) {
    const name = load<usize>(names + metric * 4);
    if (!name) continue;
    w.raw(first ? '{"' : ',"');
    w.raw(changetype<string>(name));
    w.raw('":');
    w.number(metricValue(load<u32>(ids + metric * 4)));
    first = false;
  }
  w.raw(first ? "{}" : "}");
}
