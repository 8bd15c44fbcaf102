// Interprets a filter's response to a push, and says what an operator can do about a failure.
import { CODE_LEASED, CODE_TOO_LARGE, REPORT_MAGIC } from "../../protocol/constants.ts";
import { decodeReport, type TrafficReport } from "../../protocol/traffic-report.ts";
import { FAILURES } from "../http.ts";

export const PUSH_RESULTS = [
  "ok",
  "malformed",
  "unauthenticated",
  "outdated",
  "held",
  CODE_TOO_LARGE,
  "not_stored",
  "unexpected",
  ...FAILURES,
] as const;
export type PushResult = (typeof PUSH_RESULTS)[number];

export interface PushOutcome {
  result: PushResult;
  /** The filter's message, or a text that says what is wrong with the response. */
  detail: string;
  /** With the result outdated: the version that the filter has. */
  stored?: bigint;
  /** With the result held: the remaining milliseconds of the other sidecar's lease. */
  leaseMs?: number;
  /** The traffic report, if the push was accepted and asked for one. */
  report?: TrafficReport;
}

const BY_STATUS: Readonly<Record<number, PushResult>> = {
  400: "malformed",
  401: "unauthenticated",
  409: "outdated",
  413: CODE_TOO_LARGE,
  500: "not_stored",
  503: "not_stored",
};

/** What an operator can do about a result. The log has this text. */
export const HINTS: Readonly<Partial<Record<PushResult, string>>> = {
  malformed:
    "the sidecar could not build the snapshot, or the filter refuses it: detail has the reason. Are filter and sidecar of one version?",
  unauthenticated: "the filter has another secret: compare PILOTFISH_SECRET on both sides",
  outdated:
    "the filter has a newer version, from another sidecar or before a clock jumped: the next push has a higher version",
  held: "another sidecar has the lease of this Envoy: this sidecar stands by until the lease ends",
  snapshot_too_large: "the snapshot has more pods or models than a filter accepts: split them over several gateways",
  not_stored: "Envoy did not store the snapshot: it is pushed again",
  unexpected:
    "the response is not the filter's: is the filter on this listener, and is push.path the same as the filter's snapshot.path?",
  refused: "nothing listens at the target: does Envoy run, and is this the address of its listener?",
  unreachable: "the network has no route to the target: is its address right?",
  timeout: "the target did not respond within push.timeout",
  reset: "the target closed the connection",
};

const MAX_LEASE_MS = 5000;
const VERSION = /^[0-9]{1,20}$/;

interface AnswerJson {
  version?: unknown;
  heldMs?: unknown;
  error?: { message?: unknown; code?: unknown };
}

function parse(body: Buffer): AnswerJson | undefined {
  try {
    const json: unknown = JSON.parse(body.toString("utf8"));
    return typeof json === "object" && json !== null ? json : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Interprets a response. `sent`: the pushed version. Only a response in the filter's own form counts, since an upstream may
 * respond with 200 or 401 too.
 */
export function judge(status: number, body: Buffer, sent: bigint): PushOutcome {
  if (status === 200 && body.length >= 4 && body.readUInt32LE(0) === REPORT_MAGIC) return reported(body, sent);
  const json = parse(body);
  if (status === 200 && json?.version === String(sent)) return { result: "ok", detail: "" };
  const held = status === 409 && json?.error?.code === CODE_LEASED;
  const result = held ? "held" : BY_STATUS[status];
  if (result === undefined || typeof json?.error?.code !== "string") {
    return { result: "unexpected", detail: `status ${status}, ${body.length} bytes that are no response to this push` };
  }
  const outcome: PushOutcome = { result, detail: String(json.error.message ?? json.error.code).slice(0, 300) };
  if (result === "outdated" && typeof json.version === "string" && VERSION.test(json.version)) {
    outcome.stored = BigInt(json.version);
  }
  if (held && Number.isInteger(json.heldMs))
    outcome.leaseMs = Math.min(Math.max(json.heldMs as number, 0), MAX_LEASE_MS);
  return outcome;
}

/** Reads a traffic report, which is used as a whole or not at all. Its version shows that the push was accepted. */
function reported(body: Buffer, sent: bigint): PushOutcome {
  try {
    const report = decodeReport(body);
    if (report.version === sent) return { result: "ok", detail: "", report };
    return { result: "unexpected", detail: `a report of version ${report.version}, expected ${sent}` };
  } catch (error) {
    return { result: "unexpected", detail: (error as Error).message };
  }
}
