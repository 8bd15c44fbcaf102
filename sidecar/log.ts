// The sidecar's log.
import { type Logger, pino } from "pino";

export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;
export const LOG_LEVELS = ["silent", "error", "warn", "info", "debug"] as const;
type LogLevel = (typeof LOG_LEVELS)[number];

/** Writes JSON lines to stderr. No code logs a secret on purpose; the redaction guards against a mistake. */
export function createLog(level: LogLevel): Logger {
  const redact = ["secret", "*.secret", "headers", "*.headers"];
  return pino(
    { level, base: null, redact, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
}
