// Encodes and decodes the sums records of a traffic report: what an Envoy measured at the requests of each base model, from which a
// sidecar learns what prompts cost. README.md draws the layout.

import * as c from "./constants.ts";
import { VALID } from "./rules.ts";
import { SnapshotError } from "./snapshot-error.ts";

/** Sums since the Envoy started. Integers wrap at 2^32. A sum that fell shows that the Envoy started again. */
export interface ModelSums {
  /** Requests whose response had its first byte. */
  requests: number;
  /** Prompt tokens of these requests that the filter expected their endpoints to have cached. */
  cachedTokens: number;
  /** Prompt bytes of these requests, for each byte class. */
  bytes: readonly number[];
  /** Those of these requests whose response said how many tokens the prompt has. */
  usageRequests: number;
  usageTokens: number;
  usageBytes: readonly number[];
  /**
   * Number, sum x, sum y, sum x * x and sum x * y of streamed responses. x: uncached tokens ahead of the request on its endpoint, and
   * its own. y: seconds from the pick to the first byte.
   */
  fit: readonly number[];
}

/** Limit of a sum of the fit. */
const MAX_FIT_SUM = 2 ** 120;

const CLASSES = Array.from({ length: c.BYTE_CLASSES }, (_, i) => i);
const FIT_SUMS = Array.from({ length: c.SUMS_FIT_SUMS }, (_, i) => i);

/** Reads the sums records at `at`, by the hash of the base model's name. Throws a SnapshotError that names the wrong field. */
export function readSums(view: DataView, at: number, records: number): Map<bigint, ModelSums> {
  if (records > c.MAX_SUMS) throw new SnapshotError(VALID, "report.sums", records, `at most ${c.MAX_SUMS}`);
  const sums = new Map<bigint, ModelSums>();
  for (let i = 0; i < records; i++) {
    const record = at + i * c.SUMS_BYTES;
    const model = view.getBigUint64(record + c.SUMS_MODEL, true);
    if (model === 0n || sums.has(model)) throw new SnapshotError(VALID, `report.sums[${i}].model`, model, "a new hash");
    sums.set(model, readRecord(view, record, `report.sums[${i}]`));
  }
  return sums;
}

function readRecord(view: DataView, at: number, field: string): ModelSums {
  const u32 = (offset: number) => view.getUint32(at + offset, true);
  const byClass = (offset: number) => CLASSES.map((i) => u32(offset + 4 * i));
  const fit = FIT_SUMS.map((i) => view.getFloat64(at + c.SUMS_FIT + 8 * i, true));
  for (const sum of fit)
    if (!(sum >= 0 && sum <= MAX_FIT_SUM))
      throw new SnapshotError(VALID, `${field}.fit`, sum, `numbers from 0 to ${MAX_FIT_SUM}`);
  return {
    requests: u32(c.SUMS_REQUESTS),
    cachedTokens: u32(c.SUMS_CACHED_TOKENS),
    bytes: byClass(c.SUMS_PROMPT),
    usageRequests: u32(c.SUMS_USAGE_REQUESTS),
    usageTokens: u32(c.SUMS_USAGE_TOKENS),
    usageBytes: byClass(c.SUMS_USAGE_PROMPT),
    fit,
  };
}

/** Writes sums records at `at`. The records take SUMS_BYTES each. */
export function writeSums(view: DataView, at: number, sums: ReadonlyMap<bigint, ModelSums>): void {
  let record = at;
  for (const [model, one] of sums) {
    const u32 = (offset: number, value: number) => view.setUint32(record + offset, value, true);
    view.setBigUint64(record + c.SUMS_MODEL, model, true);
    u32(c.SUMS_REQUESTS, one.requests);
    u32(c.SUMS_CACHED_TOKENS, one.cachedTokens);
    u32(c.SUMS_USAGE_REQUESTS, one.usageRequests);
    u32(c.SUMS_USAGE_TOKENS, one.usageTokens);
    for (const i of CLASSES) {
      u32(c.SUMS_PROMPT + 4 * i, one.bytes[i] ?? 0);
      u32(c.SUMS_USAGE_PROMPT + 4 * i, one.usageBytes[i] ?? 0);
    }
    for (const i of FIT_SUMS) view.setFloat64(record + c.SUMS_FIT + 8 * i, one.fit[i] ?? 0, true);
    record += c.SUMS_BYTES;
  }
}
