// Decides whether a sidecar is ready: every source has reported, and some target has a fresh snapshot.
import type { Readiness } from "../status/status.ts";

/** After this time without an accepted push the sidecar is not ready. Long heartbeats make the time longer. */
const MIN_FRESH_MS = 5000;
const FRESH_HEARTBEATS = 4;

interface TargetState {
  origin: string;
  suppliedAt: number | null;
  lastResult: string | undefined;
}

/**
 * Returns the readiness. `awaited`: sources that have not reported yet. `now`: milliseconds of the same clock as
 * `suppliedAt`.
 */
export function readinessOf(
  awaited: readonly string[],
  targets: readonly TargetState[],
  { now, heartbeatMs }: { now: number; heartbeatMs: number },
): Readiness {
  const reasons = awaited.map((source) => `no report yet from ${source}`);
  const freshMs = Math.max(MIN_FRESH_MS, FRESH_HEARTBEATS * heartbeatMs);
  const fresh = targets.some(({ suppliedAt }) => suppliedAt !== null && now - suppliedAt < freshMs);
  if (!fresh) {
    const each = targets.map(({ origin, lastResult }) => `${origin}: ${lastResult ?? "nothing pushed yet"}`);
    reasons.push(`no target took a snapshot in the last ${freshMs} ms (${each.join(", ")})`);
  }
  return { ready: reasons.length === 0, reasons };
}
