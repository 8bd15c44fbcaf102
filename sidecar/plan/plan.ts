// "Which pod or place would this request go to, and why": a snapshot, one request, the filter's own answer, and the numbers that
// it had before it.
import { DESTINATION_HEADER, SECRET_ENV, SECRET_HEADER, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { decodeSnapshot } from "../../protocol/decode.ts";
import { encodeSnapshot } from "../../protocol/encode.ts";
import type { EndpointView, ModelView, PolicyView, SnapshotView } from "../../protocol/snapshot.ts";
import { type Decision, Host } from "./host.ts";

export interface PlanRequest {
  module: WebAssembly.Module;
  snapshot: Uint8Array;
  /** The filter's configuration, JSON; empty is the default. */
  configuration: string;
  headers: ReadonlyArray<[string, string]>;
  path: string;
  body: string;
  /** How often the request is sent to say how such requests spread. */
  count: number;
}

export interface Plan {
  model: string | undefined;
  reason: string;
  reply: { status: number; body: string } | undefined;
  /** The pick, then what retries would take. */
  endpoints: string[];
  /** Of `count` such requests: place, or endpoint where there are no places, → how many. */
  spread: Array<[name: string, requests: number]>;
  lines: string[];
}

const SECRET = "plan-secret-0123456789";

/** Throws SnapshotError for what is no snapshot, Error for what the filter refuses. */
export function planOf(request: PlanRequest): Plan {
  const view = decodeSnapshot(request.snapshot);
  const configuration = forPlan(request.configuration);
  const host = new Host(request.module, configuration, { [SECRET_ENV]: SECRET });
  const pushed = push(host, view);
  if (pushed.reply?.status !== 200)
    throw new Error(`the filter refuses the snapshot: ${pushed.reply?.body ?? "no answer"}`);
  host.advance(20);
  const decisions = Array.from({ length: Math.max(1, request.count) }, () => {
    // One after the other: none meets what the one before it left in the tick's counts.
    host.advance(20);
    return ask(host, request);
  });
  const first = decisions[0] as Decision;
  const endpoints = destinationOf(first);
  const model = first.headers?.find(([name]) => name === "x-gateway-model-name")?.[1];
  const placeOf = new Map(view.endpoints.map(({ address, place }) => [address, place]));
  const spread = new Map<string, number>();
  for (const decision of decisions) {
    const [pick] = destinationOf(decision);
    const name = pick === undefined ? "Envoy's own choice" : (placeOf.get(pick) ?? pick);
    spread.set(name, (spread.get(name) ?? 0) + 1);
  }
  return {
    model,
    reason: first.state.get("pilotfish.reason") ?? (endpoints.length > 0 ? "picked" : "no pick"),
    reply: first.reply,
    endpoints,
    spread: [...spread].sort((a, b) => b[1] - a[1]),
    lines: why(
      view,
      view.models.find(({ name }) => name === model),
      endpoints,
    ),
  };
}

/** The reason is in filter state only where the configuration asks for it; a snapshot of a file is as old as the plan wants. */
function forPlan(text: string): string {
  const given = (text.trim() === "" ? {} : JSON.parse(text)) as { log?: object; snapshot?: object };
  const snapshot = { ...given.snapshot, staleAfter: "3600s" };
  return JSON.stringify({ ...given, snapshot, log: { ...given.log, picks: true } });
}

/** Under the secret and the clock of this host, which begins when the snapshot was made. */
function push(host: Host, view: SnapshotView): Decision {
  const body = encodeSnapshot({ ...view, version: host.epochMicros });
  const headers: Array<[string, string]> = [
    [":method", "POST"],
    [":path", SNAPSHOT_PATH],
    [":authority", "plan"],
    [":scheme", "http"],
    [SECRET_HEADER, SECRET],
    ["content-length", String(body.length)],
  ];
  return host.send(headers, body);
}

function ask(host: Host, { headers, path, body }: PlanRequest): Decision {
  const bytes = Buffer.from(body);
  const all: Array<[string, string]> = [
    [":method", "POST"],
    [":path", path],
    [":authority", "plan"],
    [":scheme", "http"],
    ["content-type", "application/json"],
    ["content-length", String(bytes.length)],
    ...headers,
  ];
  return host.send(all, bytes);
}

function destinationOf({ headers }: Decision): string[] {
  return headers?.find(([name]) => name === DESTINATION_HEADER)?.[1].split(",") ?? [];
}

const percent = (share: number) => `${Math.round(share * 1000) / 10} %`;
const usable = ({ ready, draining, asleep }: EndpointView) => ready && !draining && !asleep;

/** The numbers that decided, for people. */
function why(view: SnapshotView, model: ModelView | undefined, picked: readonly string[]): string[] {
  if (model === undefined) return [`the snapshot has ${view.models.length} models, and this one is none of them`];
  const serving = new Set(model.endpoints.map(({ address }) => address));
  const endpoints = view.endpoints.filter(({ address }) => serving.has(address));
  const policy = view.policies?.find(({ name }) => name === model.policy);
  if (view.places === undefined || policy === undefined) return podLines(endpoints, picked);
  const places = [...view.places].sort((a, b) => a.order - b.order);
  const lines = [`policy "${policy.name}": ${policyText(policy)}`];
  const chosen = endpoints.find(({ address }) => address === picked[0])?.place;
  for (const { name, order, roundTripUs } of places) {
    const here = endpoints.filter(({ place }) => place === name);
    if (here.length === 0) continue;
    const trip = roundTripUs === null ? "" : `, ${roundTripUs / 1000} ms away`;
    lines.push(`${name === chosen ? "→ " : "  "}${name}: order ${order}${trip}; ${loadText(here, policy)}`);
  }
  return [
    ...lines,
    ...podLines(
      endpoints.filter(({ place }) => place === chosen),
      picked,
    ),
  ];
}

function policyText({ mode, target, mostInFlight, dryRun }: PolicyView): string {
  const limit = {
    utilization: `a place is filled to ${percent(target ?? 0)} of its KV cache`,
    "in-flight": `a place is filled to ${mostInFlight} requests in flight a pod`,
    order: "places are used in their order",
  }[mode];
  return dryRun ? `${limit} (dry run: counted, not done)` : limit;
}

function loadText(endpoints: readonly EndpointView[], { mode, target, mostInFlight }: PolicyView): string {
  const ready = endpoints.filter(usable);
  if (ready.length === 0) return `none of ${endpoints.length} is ready`;
  const pods = ready.reduce((sum, { weight }) => sum + (weight ?? 1), 0);
  const sum = (of: (each: EndpointView) => number | null) => ready.reduce((all, each) => all + (of(each) ?? 0), 0);
  const held = sum(({ running }) => running) + sum(({ waiting }) => waiting);
  const kv = sum(({ kvUsage, weight }) => (kvUsage ?? 0) * (weight ?? 1)) / pods;
  const load = `${pods} pods ready, ${held} requests, KV cache ${percent(kv)}`;
  if (mode === "utilization") return `${load}: ${percent(kv / (target ?? 1))} of its target`;
  if (mode === "in-flight") return `${load}: ${percent(held / (pods * (mostInFlight ?? 1)))} of its limit`;
  return load;
}

const SHOWN = 8;

function podLines(endpoints: readonly EndpointView[], picked: readonly string[]): string[] {
  const load = ({ running, waiting }: EndpointView) => (running ?? 0) + (waiting ?? 0);
  const sorted = [...endpoints].sort((a, b) => rank(a, picked) - rank(b, picked) || load(a) - load(b));
  const lines = sorted.slice(0, SHOWN).map((each) => {
    const { address, waiting, running, kvUsage } = each;
    const state = usable(each) ? "" : ", not ready";
    const kv = kvUsage === null ? "" : `, KV cache ${percent(kvUsage)}`;
    const mark = picked[0] === address ? "→ " : "  ";
    return `${mark}${address}: ${running ?? "?"} running, ${waiting ?? "?"} waiting${kv}${state}`;
  });
  const more = sorted.length - SHOWN;
  return more > 0 ? [...lines, `  and ${more} more`] : lines;
}

function rank({ address }: EndpointView, picked: readonly string[]): number {
  const at = picked.indexOf(address);
  return at < 0 ? picked.length : at;
}

export function textOf(plan: Plan, count: number): string {
  const { model, reason, reply, endpoints, spread, lines } = plan;
  const [pick, ...retries] = endpoints;
  const head = reply
    ? `answered by the filter: ${reply.status} ${reply.body}`
    : `model ${model ?? "none"}: ${pick ?? "Envoy's own choice"} (${reason})`;
  const next = retries.length > 0 ? [`retries would take ${retries.join(", then ")}`] : [];
  const shares = spread.map(([name, requests]) => `${name} ${requests}`).join(", ");
  const many = count > 1 && !reply ? [`of ${count} such requests: ${shares}`] : [];
  return `${[head, ...next, ...many, ...lines].join("\n")}\n`;
}
