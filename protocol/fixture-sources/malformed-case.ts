// Makes malformed snapshots. A malformed snapshot is a golden snapshot in which one edit breaks one rule.
import * as c from "../constants.ts";
import { encodeSnapshot } from "../encode.ts";
import type { SnapshotView } from "../snapshot.ts";

/** `wrong` says in words what is wrong. `field` is the beginning of the decoder's error. */
export type Case = readonly [name: string, rule: number, wrong: string, field: string, edit: Edit];
/** Changes a golden snapshot in place, or returns other bytes. `at` returns the offset of a section. */
type Edit = (out: DataView, at: (kind: number) => number, body: Uint8Array) => Uint8Array | undefined;

export function entryOf(out: DataView, kind: number): number {
  for (let i = 0; i < out.getUint32(c.HEADER_SECTION_COUNT, true); i++) {
    const at = c.HEADER_BYTES + i * c.DIRECTORY_ENTRY_BYTES;
    if (out.getUint16(at + c.DIRECTORY_KIND, true) === kind) return at;
  }
  throw new Error(`the golden snapshot has no section of kind ${kind}`);
}

export function edited(view: SnapshotView, edit: Edit): Uint8Array {
  const body = encodeSnapshot(view);
  const out = new DataView(body.buffer);
  return edit(out, (kind) => out.getUint32(entryOf(out, kind) + c.DIRECTORY_OFFSET, true), body) ?? body;
}

/** The body, followed by at least `bytes` zero bytes so that the length is a multiple of 8. */
export function longerBy(body: Uint8Array, bytes: number): Uint8Array {
  const longer = new Uint8Array((body.length + bytes + 7) & ~7);
  longer.set(body);
  new DataView(longer.buffer).setUint32(c.HEADER_TOTAL_BYTES, longer.length, true);
  return longer;
}
