// The text that a run prints when it is ready: the parts with their addresses, and commands to try.
import { shown } from "./folder.ts";

export interface Line {
  what: string;
  url?: string;
  pid?: number | undefined;
  /** A file. */
  log?: string;
  note?: string;
}

/** Aligned lines, without empty columns. */
export function partLines(lines: readonly Line[]): string[] {
  const cells = lines.map(({ what, url, pid, log, note }) => [
    what,
    url ?? "",
    pid === undefined ? "" : `pid ${pid}`,
    log === undefined ? "" : shown(log),
    note ?? "",
  ]);
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  return cells.map((row) => {
    const used = row.filter((_, i) => widths[i] !== 0).map((cell, i) => cell.padEnd(widths.filter(Boolean)[i] ?? 0));
    return `  ${used.join("  ").trimEnd()}`;
  });
}

/** A shell command that sends a chat for `model` to Envoy. */
export function curl(url: string, model: string, flags = "-si"): string {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] });
  return `curl ${flags} ${url}/v1/chat/completions -H 'content-type: application/json' -d ${quoted(body)}`;
}

/** A shell command that sends 200 requests, 20 at a time. */
export function load(url: string, model: string): string {
  const body = JSON.stringify({ model, max_tokens: 200, messages: [{ role: "user", content: "Hello" }] });
  const one = `curl -s -o /dev/null ${url}/v1/chat/completions -H 'content-type: application/json' -d ${quoted(body)}`;
  return `seq 200 | xargs -P 20 -I@ ${one}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
