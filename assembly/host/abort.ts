import { proxy_log } from "@solo-io/proxy-runtime/assembly/imports";

const LEVEL_CRITICAL: usize = 5;

/** The compiler's runtime calls this when it cannot go on. Logs the source line, then traps, and the host ends this VM. */
export function abort(message: string | null, fileName: string | null, line: u32, column: u32): void {
  const text = String.UTF8.encode(
    `pilotfish: internal error: ${message ? message : "unknown"} at ${fileName ? fileName : "?"}:${line.toString()}:${column.toString()}`,
  );
  proxy_log(LEVEL_CRITICAL, changetype<usize>(text), <usize>text.byteLength);
  unreachable();
}
