// Plans a request: the endpoint or place that the filter chooses, its reason, and the numbers of the snapshot.
import { DESTINATION_HEADER, MODEL_HEADER } from "../../protocol/constants.ts";
import { decodeSnapshot } from "../../protocol/decode.ts";
import type { SnapshotView } from "../../protocol/snapshot.ts";
import { type Decision, PlanFilter, type PlannedRequest } from "./emulated-filter.ts";
import { explanationOf } from "./explanation.ts";

interface PlanRequest extends PlannedRequest {
  module: WebAssembly.Module;
  snapshot: Uint8Array;
  /** The filter's configuration as JSON; empty: the default. */
  configuration: string;
  /** Number of requests to send, which shows how requests spread over endpoints. */
  count: number;
}

interface Plan {
  model: string | undefined;
  reason: string;
  reply: { status: number; body: string } | undefined;
  /** The picked endpoint, then the endpoints for retries. */
  endpoints: string[];
  /** How many of the requests went to each place, or to each endpoint without places. The highest number comes first. */
  spread: Array<[name: string, requests: number]>;
  /** Lines for people with the numbers that decided. */
  lines: string[];
}

/** Name of the endpoint if the filter picks none. */
const NO_PICK = "Envoy's own choice";

/**
 * Plans a request. Throws a SnapshotError for bytes that are no snapshot, and an Error for a configuration or snapshot that
 * the filter refuses.
 */
export function planOf({ module, snapshot, configuration, count, ...request }: PlanRequest): Plan {
  const view = decodeSnapshot(snapshot);
  const filter = new PlanFilter(module, forPlan(configuration));
  filter.push(view);
  const first = filter.decide(request);
  const others = Array.from({ length: count - 1 }, () => filter.decide(request));
  const endpoints = endpointsOf(first);
  const model = first.headers?.get(MODEL_HEADER);
  return {
    model,
    reason: first.state.get("pilotfish.reason") ?? (endpoints.length > 0 ? "picked" : "no pick"),
    reply: first.reply,
    endpoints,
    spread: spreadOf(view, [first, ...others]),
    lines: explanationOf(view, model, endpoints),
  };
}

/**
 * Changes a configuration for a plan. With log.picks the filter writes its reason into filter state. A snapshot from a file
 * may have any age.
 */
function forPlan(text: string): string {
  const given = (text.trim() === "" ? {} : JSON.parse(text)) as { log?: object; snapshot?: object };
  const snapshot = { ...given.snapshot, staleAfter: "3600s" };
  return JSON.stringify({ ...given, snapshot, log: { ...given.log, picks: true } });
}

function endpointsOf({ headers }: Decision): string[] {
  return headers?.get(DESTINATION_HEADER)?.split(",") ?? [];
}

function spreadOf(view: SnapshotView, decisions: readonly Decision[]): Plan["spread"] {
  const placeOf = new Map(view.endpoints.map(({ address, place }) => [address, place]));
  const spread = new Map<string, number>();
  for (const decision of decisions) {
    const [pick] = endpointsOf(decision);
    const name = pick === undefined ? NO_PICK : (placeOf.get(pick) ?? pick);
    spread.set(name, (spread.get(name) ?? 0) + 1);
  }
  return [...spread].sort((a, b) => b[1] - a[1]);
}

export function textOf(plan: Plan, count: number): string {
  const { model, reason, reply, endpoints, spread, lines } = plan;
  const [pick, ...retries] = endpoints;
  const head = reply
    ? `answered by the filter: ${reply.status} ${reply.body}`
    : `model ${model ?? "none"}: ${pick ?? NO_PICK} (${reason})`;
  const next = retries.length > 0 ? [`retries would take ${retries.join(", then ")}`] : [];
  const shares = spread.map(([name, requests]) => `${name} ${requests}`).join(", ");
  const many = count > 1 && !reply ? [`of ${count} such requests: ${shares}`] : [];
  return `${[head, ...next, ...many, ...lines].join("\n")}\n`;
}
