// Reads the configuration's durations and sizes, each a number with a unit.
export const DURATION = /^(0|[1-9][0-9]*)(\.[0-9]+)?(ms|s|m|h)$/;
const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Returns the milliseconds of a text such as "100ms", "2s" or "1.5m"; undefined: the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const found = DURATION.exec(text);
  if (found === null) return undefined;
  return Number(`${found[1]}${found[2] ?? ""}`) * UNITS[found[3] as keyof typeof UNITS];
}

export const SIZE = /^([1-9][0-9]*)(B|KiB|MiB)$/;
const SIZES = { B: 1, KiB: 1024, MiB: 1 << 20 } as const;

/** Returns the bytes of a text such as "64KiB" or "4MiB"; undefined: the text is no size. */
export function parseSize(text: string): number | undefined {
  const found = SIZE.exec(text);
  return found === null ? undefined : Number(found[1]) * SIZES[found[2] as keyof typeof SIZES];
}
