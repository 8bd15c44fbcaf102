// Shows the state until the run ends: a table on a terminal, otherwise a line for each changed pod.
import { setTimeout as sleep } from "node:timers/promises";
import type { Screen } from "./screen.ts";
import { lastLines, type NamedPod, rowsOf, rowText, summary, tableLines } from "./table.ts";
import type { Sight, Watch } from "./watch.ts";

const INTERVAL_MS = 1000;
const QUIET_MS = 10_000;

export async function showLoad(
  screen: Screen,
  watch: Watch,
  pods: readonly NamedPod[],
  signal: AbortSignal,
): Promise<void> {
  const lines = new ChangedLines();
  while (!signal.aborted) {
    const sight = await watch.look();
    if (signal.aborted) return;
    if (screen.live) screen.draw(block(screen, pods, sight));
    else for (const line of lines.of(pods, sight, Date.now())) screen.say(`${new Date().toLocaleTimeString()} ${line}`);
    await sleep(INTERVAL_MS, undefined, { signal }).catch(() => {});
  }
}

function block(screen: Screen, pods: readonly NamedPod[], sight: Sight): string[] {
  const { width, height } = screen;
  const below = ["", summary(sight).slice(0, width), ...lastLines(pods, sight, width)];
  const [titles = "", ...rows] = tableLines(rowsOf(pods, sight), width, height - below.length - 3);
  const bold = process.env.NO_COLOR ? titles : `\x1b[1m${titles}\x1b[22m`;
  return ["", bold, ...rows, ...below];
}

/** Without a terminal: a line for each changed pod, and a summary after ten seconds of silence. */
export class ChangedLines {
  readonly #before = new Map<string, string>();
  #spokeAt = 0;

  of(pods: readonly NamedPod[], sight: Sight, now: number): string[] {
    const lines = [];
    for (const row of rowsOf(pods, sight)) {
      const text = rowText(row);
      if (this.#before.get(row.address) !== text) lines.push(text);
      this.#before.set(row.address, text);
    }
    if (lines.length === 0 && now - this.#spokeAt >= QUIET_MS) lines.push(summary(sight));
    if (lines.length > 0) this.#spokeAt = now;
    return lines;
  }
}
