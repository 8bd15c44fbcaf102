// Body sizes such as 512, 16k and 8m.

import { SMALLEST_BODY_BYTES } from "./bodies.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20 };
const LARGEST = 12 * 2 ** 20;

/** Bytes of "512", "16k" or "8m". */
export function parseSize(given: string): number {
  const match = /^(\d{1,8})([km]?)$/i.exec(given.trim());
  const bytes = match ? Number(match[1]) * (UNITS[(match[2] as string).toLowerCase()] as number) : Number.NaN;
  if (!(bytes >= SMALLEST_BODY_BYTES && bytes <= LARGEST))
    throw new RangeError(`--sizes: "${given}" given, ${SMALLEST_BODY_BYTES} to 12m is expected, like 512, 16k or 1m`);
  return bytes;
}

export function formatSize(bytes: number): string {
  if (bytes >= 2 ** 20) return `${bytes / 2 ** 20} MiB`;
  if (bytes >= 2 ** 10) return `${bytes / 2 ** 10} KiB`;
  return `${bytes} B`;
}
