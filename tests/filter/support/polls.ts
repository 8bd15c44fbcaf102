// Polls and traffic pushes, as a sidecar sends them.
import assert from "node:assert/strict";
import type { Stream } from "../../../emulator/index.ts";
import { POLL_HEADER, REPORT_HEADER, SECRET_HEADER, SNAPSHOT_PATH } from "../../../protocol/constants.ts";
import type { RemoteCounts } from "../../../protocol/snapshot.ts";
import { textHash } from "../../../protocol/traffic.ts";
import { decodeReport, encodeTrafficPush, type TrafficReport } from "../../../protocol/traffic-report.ts";
import { type Gateway, SECRET } from "../../../testkit/filter/gateway.ts";

interface PollFields {
  ms: number;
  news: number;
  known: number;
  collector: number;
  envoys: number;
  cursor: string;
}

/** Sends a poll. The defaults are those of a collector with the id 5 that knows two Envoys and has the given report. */
export function sendPoll(
  gateway: Gateway,
  have: Pick<TrafficReport, "news" | "ring" | "end"> | undefined,
  fields: Partial<PollFields> = {},
  worker = 0,
): Stream {
  const { ms = 1000, news = have?.news ?? 0, known = 5, collector = 5, envoys = 2 } = fields;
  const cursor = fields.cursor ?? `${have?.ring ?? 0}.${have?.end ?? 0}`;
  const poll = [ms, news, known, collector, envoys].join(".");
  const headers = { [SECRET_HEADER]: SECRET, [REPORT_HEADER]: cursor, [POLL_HEADER]: poll };
  return gateway.send({ method: "GET", path: SNAPSHOT_PATH, headers }, worker);
}

/** Returns the report with which the filter has answered; undefined: the filter holds the poll. */
export function reportOf(stream: Stream): TrafficReport | undefined {
  const local = stream.localResponse;
  if (local === undefined) return undefined;
  assert.equal(local.status, 200, local.body.toString("utf8"));
  return decodeReport(local.body);
}

/** Returns the report with which the filter has answered, and ends the stream. Fails if the filter holds the poll. */
export function answered(stream: Stream): TrafficReport {
  const report = reportOf(stream);
  assert.ok(report, "the filter has answered");
  stream.finish();
  return report;
}

/** Pushes what other Envoys have in flight, by address. Returns the response's status. */
export function pushTraffic(
  gateway: Gateway,
  counts: Record<string, Partial<RemoteCounts>>,
  {
    envoys = 1,
    prefixes = new Uint8Array(0),
    worker = 0,
  }: { envoys?: number; prefixes?: Uint8Array; worker?: number } = {},
): number {
  const none = { requests: 0, lasted: 0, pending: 0, sent: 0 };
  const all = Object.entries(counts).map(([address, some]) => [textHash(address), { ...none, ...some }] as const);
  return gateway.push(encodeTrafficPush({ envoys, counts: new Map(all), prefixes }), undefined, worker).status;
}
