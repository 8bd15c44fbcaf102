import { proxy_log } from "@solo-io/proxy-runtime/assembly/imports";

const LEVEL_CRITICAL: usize = 5;

/** Called by the compiler's runtime where it cannot go on. Says where, then traps: the host ends this VM. */
export function abort(message: string | null, fileName: string | null, line: u32, column: u32): void {
  const text = String.UTF8.encode(
    `pilotfish: internal error: ${message ? message : "unknown"} at ${fileName ? fileName : "?"}:${line.toString()}:${column.toString()}`,
  );
  proxy_log(LEVEL_CRITICAL, changetype<usize>(text), <usize>text.byteLength);
  unreachable();
}
