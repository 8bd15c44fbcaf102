// The refill of an empty prefix index. A worker's index is empty when its VM begins, and when the table grows (prefix-index.ts). The
// sidecar remembers which blocks the endpoints have cached (sidecar/push/cached-blocks.ts). It pushes them in parts, each for as long
// as an idle worker needs to see it (section CACHED). Only a worker whose index became empty within the last WANTED takes them.
import { CACHED_GROUP_BYTES, CACHED_WORD_BYTES } from "../../../protocol/constants";
import { blockSize, groupBlocks, isBlockHot, keyOfWord, refillNumber, refillPart } from "../../snapshot/verify-cached";
import { SnapshotView } from "../../snapshot/view";
import { findEntry } from "../entries";
import { refillBlock } from "./prefix-index";

/** Nanoseconds. A refill of the most blocks takes some 6 s, and may begin anew while further workers begin. */
const WANTED: u64 = 30000000000;

let emptyAt: u64 = 0;
/** The refill whose parts were taken, and a bit for each part that was taken. */
let taken: u64 = 0;
let parts: u64 = 0;

/** Call when the prefix index became empty, at `now`, ns. */
export function wantRefill(now: u64): void {
  emptyAt = now;
  parts = 0;
}

/** Takes over the part of a refill that the snapshot has, if the index wants one and has not taken this part. `now`: ns. */
export function followRefill(view: SnapshotView, now: u64): void {
  if (!view.cached || now - emptyAt > WANTED) return;
  const number = refillNumber(view.cached);
  const part: u64 = (<u64>1) << refillPart(view.cached);
  if (number != taken) {
    taken = number;
    parts = 0;
  }
  if (parts & part) return;
  parts |= part;
  const end = view.cached + view.cachedWords * CACHED_WORD_BYTES;
  for (let group = view.cached + CACHED_WORD_BYTES; group < end; ) group = takeGroup(group);
}

/** Takes over the blocks of an endpoint. Returns the address of the next group. */
function takeGroup(group: usize): usize {
  const entry = findEntry(load<u64>(group));
  const first = group + CACHED_GROUP_BYTES;
  const next = first + groupBlocks(group) * CACHED_WORD_BYTES;
  if (entry === null) return next;
  for (let at = first; at < next; at += CACHED_WORD_BYTES) {
    const block = load<u64>(at);
    refillBlock(keyOfWord(block), blockSize(block), isBlockHot(block), entry);
  }
  return next;
}
