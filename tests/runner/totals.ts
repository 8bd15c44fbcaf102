export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export function noCounts(): Counts {
  return { passed: 0, failed: 0, skipped: 0 };
}

export function addCounts(total: Counts, more: Counts): void {
  total.passed += more.passed;
  total.failed += more.failed;
  total.skipped += more.skipped;
}

/** Counts of as-pect's summary, "[Tests]: 12 / 14". A bad exit code without a failure in the summary counts as one failure. */
export function countAsPect(output: string, exitCode: number): Counts {
  const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");
  const match = /\[Tests\]:\s*(\d+)\s*\/\s*(\d+)/.exec(output.replace(escapes, ""));
  const passed = Number(match?.[1] ?? 0);
  const failed = Number(match?.[2] ?? 0) - passed;
  return { passed, failed: failed === 0 && (exitCode !== 0 || !match) ? 1 : failed, skipped: 0 };
}
