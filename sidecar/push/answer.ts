// What a filter's answer to a push means, and what whoever runs the sidecar can do about it.
import { FAILURES } from "../http.ts";

export const PUSH_RESULTS = [
  "ok",
  "malformed",
  "unauthenticated",
  "outdated",
  "snapshot_too_large",
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
}

const BY_STATUS: Readonly<Record<number, PushResult>> = {
  400: "malformed",
  401: "unauthenticated",
  409: "outdated",
  413: "snapshot_too_large",
  500: "not_stored",
  503: "not_stored",
};

/** A result that lasts needs somebody to do something; the log says what. */
export const HINTS: Readonly<Partial<Record<PushResult, string>>> = {
  malformed: "the filter refuses the snapshot: are filter and sidecar of one version?",
  unauthenticated: "the filter knows another secret: compare PILOTFISH_SECRET on both sides",
  outdated: "another sidecar or a clock that jumped is ahead: going past its version",
  snapshot_too_large: "more pods or models than one filter takes: split them over several gateways",
  not_stored: "Envoy would not keep the snapshot: it is pushed again",
  unexpected: "no answer of the filter's: is it on this listener, and does push.path say what its snapshot.path says?",
  refused: "nothing listens there: is Envoy up, and is this the listener's address?",
  unreachable: "no route to the target: is its address right?",
  timeout: "the target does not answer in time",
  reset: "the target ended the connection",
};

const VERSION = /^[0-9]{1,20}$/;

interface AnswerJson {
  version?: unknown;
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
  const json = parse(body);
  if (status === 200 && json?.version === String(sent)) return { result: "ok", detail: "" };
  const result = BY_STATUS[status];
  if (result === undefined || typeof json?.error?.code !== "string") {
    return { result: "unexpected", detail: `status ${status}, ${body.length} bytes that are no answer to this push` };
  }
  const verdict: Verdict = { result, detail: String(json.error.message ?? json.error.code).slice(0, 300) };
  if (result === "outdated" && typeof json.version === "string" && VERSION.test(json.version)) {
    verdict.stored = BigInt(json.version);
  }
  return verdict;
}
