// The live table as lines of text. Pure: it uses no terminal and no clock.
import type { EndpointJson, Sight } from "./watch.ts";

/** A pod with its name for people. */
export interface NamedPod {
  name: string;
  address: string;
}

interface Row {
  pod: string;
  address: string;
  state: string;
  waiting: string;
  running: string;
  kv: string;
  inFlight: string;
  picks: string;
  models: string;
}

const COLUMNS: readonly { key: keyof Row; title: string; right?: boolean }[] = [
  { key: "pod", title: "POD" },
  { key: "address", title: "ADDRESS" },
  { key: "state", title: "STATE" },
  { key: "waiting", title: "WAITING", right: true },
  { key: "running", title: "RUNNING", right: true },
  { key: "kv", title: "KV", right: true },
  { key: "inFlight", title: "IN FLIGHT", right: true },
  { key: "picks", title: "PICKS", right: true },
  { key: "models", title: "MODELS" },
];

/** The counters of outcomes that the table shows, in this order. */
const OUTCOMES = [
  "picked",
  "unknown_model",
  "no_model",
  "no_endpoint",
  "no_snapshot",
  "stale",
  "invalid_body",
  "invalid_model",
  "rerouted",
];

/** Returns a row for each pod in the order of `pods`, even if the snapshot does not have the pod. */
export function rowsOf(pods: readonly NamedPod[], sight: Sight): Row[] {
  const { snapshot, picks } = sight;
  return pods.map(({ name, address }) => {
    const endpoint = snapshot?.endpoints.find((one) => one.address === address);
    // The last reading of a pod that is down is no longer valid.
    const reading = endpoint?.ready ? endpoint : undefined;
    const models = snapshot?.models.filter(({ endpoints }) => endpoints.includes(address)) ?? [];
    const names = (kind: "base" | "adapter") => models.filter((model) => model.kind === kind).map(({ name }) => name);
    return {
      pod: name,
      address,
      state: stateOf(endpoint),
      waiting: known(reading?.waiting),
      running: known(reading?.running),
      kv: reading?.kvUsage == null ? "-" : `${(reading.kvUsage * 100).toFixed(1)}%`,
      inFlight: known(endpoint?.inFlight),
      // The log has a pick only after its request has ended.
      picks: String((picks.get(address) ?? 0) + (endpoint?.inFlight ?? 0)),
      models: [...names("base"), ...names("adapter")].join(", ") || "-",
    };
  });
}

function stateOf(endpoint: EndpointJson | undefined): string {
  if (!endpoint) return "unknown";
  if (endpoint.draining) return "draining";
  if (endpoint.asleep) return "asleep";
  return endpoint.ready ? "ready" : "down";
}

function known(value: number | null | undefined): string {
  return value == null ? "-" : String(value);
}

/** Returns at most `height` aligned lines of at most `width` characters. The first line has the titles. */
export function tableLines(rows: readonly Row[], width: number, height: number): string[] {
  const shown = rows.length + 1 > height ? rows.slice(0, Math.max(1, height - 2)) : rows;
  const all = [Object.fromEntries(COLUMNS.map(({ key, title }) => [key, title])) as unknown as Row, ...shown];
  const widths = COLUMNS.map(({ key }) => Math.max(...all.map((row) => row[key].length)));
  const lines = all.map((row) =>
    COLUMNS.map(({ key, right }, i) => row[key][right ? "padStart" : "padEnd"](widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  if (shown.length < rows.length) lines.push(`... and ${rows.length - shown.length} more pods`);
  return lines.map((line) => cut(line, width));
}

/** Age of the snapshot and counts of outcomes. */
export function summary(sight: Sight): string {
  const { snapshot, counters } = sight;
  const requests = counters.get("requests") ?? 0;
  const age = snapshot ? `snapshot ${duration(snapshot.ageMs)} old${snapshot.stale ? ", stale" : ""}` : "no snapshot";
  const outcomes = OUTCOMES.filter((name) => counters.has(name)).map((name) => {
    return `${counters.get(name)} ${name.replaceAll("_", " ")}`;
  });
  const count = `${requests} request${requests === 1 ? "" : "s"}`;
  return `${age}; ${count}${outcomes.length > 0 ? `: ${outcomes.join(", ")}` : ""}`;
}

/** A line for each of the newest requests. */
export function lastLines(pods: readonly NamedPod[], sight: Sight, width: number): string[] {
  const names = new Map(pods.map(({ address, name }) => [address, name]));
  return sight.last.map(({ time, model, reason, upstream, status, milliseconds }) => {
    const pod = upstream ? (names.get(upstream) ?? upstream) : "no pod";
    const clock = /T(\d\d:\d\d:\d\d)/.exec(time)?.[1] ?? "";
    return cut(`${clock}  ${model ?? "no model"} -> ${pod}  ${status}  ${milliseconds} ms  ${reason ?? ""}`, width);
  });
}

/** One row as a sentence, for logs. */
export function rowText(row: Row): string {
  const { pod, state, waiting, running, kv, inFlight, picks } = row;
  return `${pod} ${state}, ${waiting} waiting, ${running} running, KV ${kv}, ${inFlight} in flight, ${picks} picks`;
}

function duration(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Removes control characters, which would move the cursor. Model names come from clients. */
function cut(line: string, width: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  const clean = line.replace(/[\x00-\x1f\x7f-\x9f]/g, "?");
  return clean.length > width ? `${clean.slice(0, Math.max(0, width - 3))}...` : clean;
}
