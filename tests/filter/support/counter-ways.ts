// For each counter of assembly/stats.ts, a way to move it: calls that move this counter once, and the other counters that move too.
import assert from "node:assert/strict";
import { Result } from "../../../emulator/codes.ts";
import { HEADER_SOURCE, HEADER_VERSION, SECRET_HEADER, SNAPSHOT_PATH } from "../../../protocol/constants.ts";
import { encodeReadingsPush } from "../../../protocol/readings/readings-codec.ts";
import {
  A,
  B,
  base,
  chat,
  endpoint,
  type Gateway,
  JSON_TYPE,
  SECRET,
  threePods,
} from "../../../testkit/filter/gateway.ts";
import { ADMISSION_WAYS } from "./admission-counter-ways.ts";
import { askReport } from "./envoys.ts";
import { pushTraffic, sendPoll } from "./polls.ts";

interface Way {
  way: (gateway: Gateway) => void;
  also?: Record<string, number>;
  configuration?: object;
  bodies?: boolean;
}

const READINGS = new TextEncoder().encode("the filter does not read this");
const ALIAS = { models: { rules: [{ name: "alias", model: "m" }] } };
const FIELD = { body: { fields: [{ field: "user", header: "x-user" }] } };

/** Returns a snapshot with a near and a far place, each with one endpoint. Its policy allows one request per endpoint. */
function twoPlaces(dryRun = false): Parameters<Gateway["feed"]>[0] {
  const place = (name: string, order: number) => ({ name, order, weight: 1, roundTripUs: null });
  const policy = { name: "one", mode: "in-flight" as const, mostInFlight: 1, target: null, timeoutMs: null };
  return {
    endpoints: [endpoint(A, { place: "near" }), endpoint(B, { place: "far" })],
    models: [{ ...base("m", [A, B]), policy: "one" }],
    places: [place("near", 0), place("far", 1)],
    policies: [{ ...policy, dryRun, short: false }],
  };
}

/** A way that gets a response with this load report. */
function reportWay(report: string): Way {
  return {
    way: (g) => {
      g.feed(threePods());
      const stream = g.chat("lora");
      stream.respond({ body: "{}", upstreamAddress: A, headers: { "endpoint-load-metrics": report } });
      stream.finish();
    },
    also: { requests: 1, picked: 1, "snapshot.stored": 1 },
    configuration: { pick: { loadReports: true } },
  };
}

export const WAYS: Record<string, Way> = {
  ...ADMISSION_WAYS,
  "pilotfish.places.spilled": {
    way: (g) => {
      g.feed(twoPlaces());
      g.chat("m");
      g.chat("m");
    },
    also: { requests: 2, picked: 2, "snapshot.stored": 1 },
  },
  "pilotfish.places.full": {
    way: (g) => {
      g.feed(twoPlaces());
      for (let i = 0; i < 3; i++) g.chat("m");
    },
    also: { requests: 3, picked: 3, "places.spilled": 1, "snapshot.stored": 1 },
  },
  "pilotfish.places.dry_run": {
    way: (g) => {
      g.feed(twoPlaces(true));
      g.chat("m");
    },
    also: { requests: 1, picked: 1, "snapshot.stored": 1 },
  },
  "pilotfish.setup.no_reader": {
    configuration: { role: "holder" },
    way: (g) => void g.send({ method: "GET", path: "/" }),
  },
  "pilotfish.setup.no_holder": {
    configuration: { role: "reader" },
    way: (g) => void g.send(chat("m")),
    also: { requests: 1 },
  },
  "pilotfish.setup.no_body": {
    bodies: false,
    way: (g) => {
      const stream = g.send(chat("m"));
      stream.properties.set("request.total_size", 100_000);
      g.process.advance(600);
      assert.equal(stream.outcome.action, "continue");
    },
    also: { requests: 1 },
  },
  "pilotfish.setup.not_followed": {
    way: (g) => {
      g.feed(threePods());
      const stream = g.chat("lora");
      stream.properties.set("upstream.request_attempt_count", 1);
      stream.respond({ upstreamAddress: B });
    },
    also: { requests: 1, picked: 1, rerouted: 1, "snapshot.stored": 1 },
  },
  "pilotfish.invalid_field": {
    configuration: FIELD,
    way: (g) => void g.send({ path: "/", body: '{"user":"a\\nb"}' }),
    also: { requests: 1 },
  },
  "pilotfish.field_ignored": {
    configuration: FIELD,
    way: (g) => void g.send({ path: "/", body: '{"user":{}}' }),
    also: { requests: 1, no_model: 1 },
  },
  "pilotfish.model_required": {
    configuration: { body: { requireModel: true } },
    way: (g) => void g.send({ path: "/", body: "{}" }),
    also: { requests: 1 },
  },
  "pilotfish.model_rejected": {
    configuration: { models: { unknown: "reject" } },
    way: (g) => {
      g.feed(threePods());
      assert.equal(g.send(chat("x")).outcome.localResponse?.status, 404);
    },
    also: { requests: 1, "snapshot.stored": 1 },
  },
  "pilotfish.too_large": {
    configuration: { body: { maxBytes: 10 } },
    way: (g) => void g.send(chat("m")),
    also: { requests: 1 },
  },
  "pilotfish.unsupported_type": {
    way: (g) => void g.send({ path: "/", headers: { "content-encoding": "gzip" }, body: "x" }),
    also: { requests: 1 },
  },
  "pilotfish.rewritten": {
    configuration: ALIAS,
    way: (g) => void g.chat("alias"),
    also: { requests: 1, no_snapshot: 1 },
  },
  "pilotfish.not_renamed": {
    configuration: ALIAS,
    way: (g) => void g.chat("alias").respond({ headers: { "content-encoding": "gzip" }, body: "x" }),
    also: { requests: 1, no_snapshot: 1, rewritten: 1 },
  },
  "pilotfish.models_listed": {
    way: (g) => {
      g.feed(threePods());
      assert.equal(g.send({ method: "GET", path: "/v1/models" }).outcome.localResponse?.status, 200);
    },
    also: { "snapshot.stored": 1 },
  },
  "pilotfish.requests": { way: (g) => void g.send({ method: "GET", path: "/" }), also: { no_body: 1 } },
  "pilotfish.no_body": { way: (g) => void g.send({ method: "GET", path: "/" }), also: { requests: 1 } },
  "pilotfish.unread_body": {
    way: (g) => void g.send({ path: "/", headers: { "content-type": "text/plain" }, body: "x" }),
    also: { requests: 1 },
  },
  "pilotfish.no_model": { way: (g) => void g.send({ path: "/", body: "{}" }), also: { requests: 1 } },
  "pilotfish.invalid_body": { way: (g) => void g.send({ path: "/", body: "{" }), also: { requests: 1 } },
  "pilotfish.invalid_model": { way: (g) => void g.send({ path: "/", body: '{"model":1}' }), also: { requests: 1 } },
  "pilotfish.no_snapshot": { way: (g) => void g.chat("m"), also: { requests: 1 } },
  "pilotfish.control_header_stripped": {
    way: (g) => void g.send({ method: "GET", path: "/", headers: { "x-gateway-model-name": "x" } }),
    also: { requests: 1, no_body: 1 },
  },
  "pilotfish.snapshot.stored": { way: (g) => g.feed(threePods()) },
  "pilotfish.traffic.stored": { way: (g) => void pushTraffic(g, { [A]: { requests: 1 } }) },
  "pilotfish.readings.stored": {
    way: (g) => {
      // The collector's poll takes the lease. Only the collector may push readings.
      sendPoll(g, undefined, { news: 1 });
      assert.equal(g.push(encodeReadingsPush(5, 0, READINGS)).status, 200);
    },
  },
  "pilotfish.readings.refused": { way: (g) => void g.push(encodeReadingsPush(5, 0, READINGS)) },
  "pilotfish.picked": {
    way: (g) => {
      g.feed(threePods());
      g.chat("m");
    },
    also: { requests: 1, "snapshot.stored": 1 },
  },
  "pilotfish.unknown_model": {
    way: (g) => {
      g.feed(threePods());
      g.chat("x");
    },
    also: { requests: 1, "snapshot.stored": 1 },
  },
  "pilotfish.stale": {
    way: (g) => {
      g.feed(threePods());
      g.process.advance(2100);
      g.chat("m");
    },
    also: { requests: 1, "snapshot.stored": 1 },
  },
  "pilotfish.no_endpoint": {
    way: (g) => {
      g.feed({ endpoints: [endpoint(A, { ready: false })], models: [base("m", [A])] });
      g.chat("m");
    },
    also: { requests: 1, "snapshot.stored": 1 },
  },
  "pilotfish.rerouted": {
    way: (g) => {
      g.feed(threePods());
      g.chat("lora").respond({ upstreamAddress: B });
    },
    also: { requests: 1, picked: 1, "snapshot.stored": 1 },
  },
  "pilotfish.shared.failed": {
    way: (g) => {
      g.feed(threePods());
      // Each write of this worker fails, as if another worker had been faster.
      const write = g.process.shared.set.bind(g.process.shared);
      g.process.shared.set = (vmId, key, value, cas) => (cas ? Result.CasMismatch : write(vmId, key, value, cas));
      const next = Buffer.from(g.process.shared.get("pilotfish", "pilotfish.snapshot")?.value ?? []);
      next.writeBigUInt64LE(next.readBigUInt64LE(HEADER_VERSION) + 1n, HEADER_VERSION);
      assert.equal(g.push(next).status, 500);
    },
    also: { "snapshot.stored": 1, "snapshot.other": 1 },
  },
  "pilotfish.pod_failed": {
    way: (g) => {
      g.feed(threePods());
      g.chat("lora").respond({ status: 503, upstreamAddress: A });
    },
    also: { requests: 1, picked: 1, "snapshot.stored": 1 },
  },
  "pilotfish.load_reports": reportWay("TEXT named_metrics.num_requests_waiting=3.0"),
  "pilotfish.load_report_unreadable": reportWay("TEXT named_metrics.num_requests_waiting=nan"),
  "pilotfish.ejected": {
    configuration: { pick: { ejection: { failures: 1 } } },
    way: (g) => {
      g.feed(threePods());
      g.chat("lora").respond({ status: 503, upstreamAddress: A });
    },
    also: { requests: 1, picked: 1, "snapshot.stored": 1, pod_failed: 1 },
  },
  "pilotfish.panic": {
    configuration: { pick: { ejection: { failures: 1 } } },
    way: (g) => {
      g.feed(threePods());
      g.chat("lora").respond({ status: 503, upstreamAddress: A });
      g.chat("lora");
    },
    also: { requests: 2, picked: 2, "snapshot.stored": 1, pod_failed: 1, ejected: 1 },
  },
  "pilotfish.session.kept": {
    way: (g) => {
      g.feed(threePods());
      g.send({ ...chat("lora"), headers: { ...JSON_TYPE, "x-session-id": "s" } });
    },
    also: { requests: 1, picked: 1, "snapshot.stored": 1 },
  },
  "pilotfish.session.moved": {
    way: (g) => {
      g.feed(threePods());
      // Both endpoints that the session may use become busy. The model's third endpoint does not.
      for (let i = 0; i < 11; i++) g.send({ ...chat("m"), headers: { ...JSON_TYPE, "x-session-id": "s" } });
    },
    also: { requests: 11, picked: 11, "snapshot.stored": 1, "session.kept": 10 },
    configuration: { pick: { profile: "load" } },
  },
  "pilotfish.response.unknown": {
    way: (g) => void g.send({ method: "GET", path: "/v1/responses/resp_1" }),
    also: { requests: 1, no_body: 1 },
  },
  "pilotfish.response.found": {
    way: (g) => {
      g.feed(threePods());
      const stream = g.send({ ...chat("lora"), path: "/v1/responses" });
      stream.respond({ headers: JSON_TYPE, body: '{"id":"resp_1"}', upstreamAddress: A });
      g.send({ method: "GET", path: "/v1/responses/resp_1" });
    },
    also: { requests: 2, picked: 1, "snapshot.stored": 1 },
  },
  "pilotfish.dry_run.agreed": {
    configuration: { pick: { dryRun: true } },
    way: (g) => {
      g.feed(threePods());
      g.chat("lora").respond({ upstreamAddress: A });
    },
    also: { requests: 1, picked: 1, "snapshot.stored": 1 },
  },
  "pilotfish.dry_run.differed": {
    configuration: { pick: { dryRun: true } },
    way: (g) => {
      g.feed(threePods());
      g.chat("lora").respond({ upstreamAddress: B });
    },
    also: { requests: 1, picked: 1, "snapshot.stored": 1 },
  },
  "pilotfish.explained": {
    configuration: { pick: { debugSecret: SECRET } },
    way: (g) => {
      g.feed(threePods());
      const headers = { ...JSON_TYPE, "x-pilotfish-debug": SECRET };
      g.send({ ...chat("lora"), headers }).respond({ upstreamAddress: A });
    },
    also: { requests: 1, picked: 1, "snapshot.stored": 1 },
  },
  "pilotfish.untracked": {
    way: (g) => {
      for (let i = 0; i < 65536; i++) {
        const stream = g.stream();
        stream.sendHeaders({ ":method": "POST", ":path": "/", ...JSON_TYPE });
      }
      const over = g.send(chat("m"));
      assert.equal(over.outcome.action, "continue", "passed on unread");
      assert.equal(over.outcome.requestHeaders?.get("x-gateway-model-name"), undefined);
      g.assertHealthy();
    },
    also: { requests: 65537 },
  },
  "pilotfish.snapshot.read": {
    way: (g) => {
      g.feed(threePods());
      g.read();
    },
    also: { "snapshot.stored": 1 },
  },
  "pilotfish.snapshot.unauthenticated": { way: (g) => void g.push(Buffer.of(1), {}) },
  "pilotfish.snapshot.malformed": { way: (g) => void g.push(Buffer.of(1)) },
  "pilotfish.snapshot.outdated": {
    way: (g) => {
      g.feed(threePods());
      const old = Buffer.from(g.process.shared.get("pilotfish", "pilotfish.snapshot")?.value ?? []);
      g.push(old);
    },
    also: { "snapshot.stored": 1 },
  },
  "pilotfish.snapshot.held": {
    way: (g) => {
      g.feed(threePods());
      const other = Buffer.from(g.process.shared.get("pilotfish", "pilotfish.snapshot")?.value ?? []);
      other.writeBigUInt64LE(other.readBigUInt64LE(HEADER_VERSION) + 1n, HEADER_VERSION);
      other.writeBigUInt64LE(8n, HEADER_SOURCE);
      g.push(other);
    },
    also: { "snapshot.stored": 1 },
  },
  "pilotfish.reported": { way: (g) => void askReport(g) },
  "pilotfish.snapshot.too_large": { way: (g) => void g.push(Buffer.alloc(1024 * 1024 + 1)) },
  "pilotfish.snapshot.other": {
    way: (g) => void g.control({ method: "PUT", path: SNAPSHOT_PATH, headers: { [SECRET_HEADER]: SECRET } }),
  },
};
