// What a filter's answer to a push means, and what whoever runs the sidecar can do about it.
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

export interface Verdict {
  result: PushResult;
  /** What the filter said, or what came in its place. */
  detail: string;
  /** Of an outdated push: the version that the filter holds. */
  stored?: bigint;
  /** Of a push that another sidecar's keeps off: until when, in ms. */
  heldMs?: number;
  /** Of an accepted push that asked for it. */
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

/** A result that lasts needs somebody to do something; the log says what. */
export const HINTS: Readonly<Partial<Record<PushResult, string>>> = {
  malformed: "the filter refuses the snapshot: are filter and sidecar of one version?",
  unauthenticated: "the filter knows another secret: compare PILOTFISH_SECRET on both sides",
  outdated: "another sidecar or a clock that jumped is ahead: going past its version",
  held: "another sidecar pushes to this Envoy and knows as much: standing by",
  snapshot_too_large: "more pods or models than one filter takes: split them over several gateways",
  not_stored: "Envoy would not keep the snapshot: it is pushed again",
  unexpected: "no answer of the filter's: is it on this listener, and does push.path say what its snapshot.path says?",
  refused: "nothing listens there: is Envoy up, and is this the listener's address?",
  unreachable: "no route to the target: is its address right?",
  timeout: "the target does not answer in time",
  reset: "the target ended the connection",
};

const MOST_HELD_MS = 5000;
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

/** Only an answer in the filter's own form counts: an upstream's 200 or 401 is not the filter's. */
export function judge(status: number, body: Buffer, sent: bigint): Verdict {
  if (status === 200 && body.length >= 4 && body.readUInt32LE(0) === REPORT_MAGIC) return reported(body, sent);
  const json = parse(body);
  if (status === 200 && json?.version === String(sent)) return { result: "ok", detail: "" };
  const held = status === 409 && json?.error?.code === CODE_LEASED;
  const result = held ? "held" : BY_STATUS[status];
  if (result === undefined || typeof json?.error?.code !== "string") {
    return { result: "unexpected", detail: `status ${status}, ${body.length} bytes that are no answer to this push` };
  }
  const verdict: Verdict = { result, detail: String(json.error.message ?? json.error.code).slice(0, 300) };
  if (result === "outdated" && typeof json.version === "string" && VERSION.test(json.version)) {
    verdict.stored = BigInt(json.version);
  }
  if (held && Number.isInteger(json.heldMs))
    verdict.heldMs = Math.min(Math.max(json.heldMs as number, 0), MOST_HELD_MS);
  return verdict;
}

/** A report is taken whole or not at all; that the push was accepted is told by its version. */
function reported(body: Buffer, sent: bigint): Verdict {
  try {
    const report = decodeReport(body);
    if (report.version === sent) return { result: "ok", detail: "", report };
    return { result: "unexpected", detail: `a report of version ${report.version}, expected ${sent}` };
  } catch (error) {
    return { result: "unexpected", detail: (error as Error).message };
  }
}
