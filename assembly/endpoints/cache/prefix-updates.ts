// Prefix updates: workers and Envoys publish the hashes of the prompts that they sent. An update is a sequence of records with
// the layout of the snapshot's section PREFIXES (protocol/README.md). Only records from other Envoys have numbers. New records wait
// here until workers/prefix-news.ts publishes them.
import {
  PREFIX_BYTES,
  PREFIX_COUNT,
  PREFIX_COUNT_MASK,
  PREFIX_ENDPOINT,
  PREFIX_SEED,
  PREFIX_UNITS_SHIFT,
} from "../../../protocol/constants";
import { prefixBlocks } from "../../snapshot/verify-traffic";
import { findEntry } from "../entries";
import { Entry } from "../entry";
import { hasTable, touchAll } from "./prefix-index";
import { MAX_BLOCKS, Prompt, promptHashes } from "./prompt";

/**
 * Bytes that can wait to be published. A record that does not fit is not published. The other workers then do not know that the
 * endpoint has this prompt.
 */
export const UPDATE_BYTES: u32 = 32768;
/** Bytes of the longest record. */
export const MAX_RECORD: u32 = PREFIX_BYTES + MAX_BLOCKS * 8;
const update: usize = memory.data(UPDATE_BYTES, 8);
let updateEnd: u32 = 0;

/** Records that the prompt was sent to the endpoint, in this worker's index and in the records that wait to be published. */
export function insertPrefix(prompt: Prompt, seed: u64, entry: Entry): void {
  if (!hasTable() || prompt.count == 0) return;
  touchAll(promptHashes(prompt), prompt.count, prompt.units, seed, entry);
  // The whole prompt is published, not its new end only. Blocks that the other workers received long ago look evicted to them,
  // and they would send the prompt's next request elsewhere.
  const bytes = prompt.count * 8;
  if (updateEnd + PREFIX_BYTES + bytes > UPDATE_BYTES) return;
  const at = update + updateEnd;
  store<u64>(at, entry.hash, PREFIX_ENDPOINT);
  store<u64>(at, seed, PREFIX_SEED);
  store<u64>(at, prompt.count | (prompt.units << PREFIX_UNITS_SHIFT), PREFIX_COUNT);
  memory.copy(at + PREFIX_BYTES, promptHashes(prompt), bytes);
  updateEnd += PREFIX_BYTES + bytes;
}

/** Number of bytes that wait to be published. */
export function updateWaiting(): u32 {
  return updateEnd;
}

/**
 * Copies the oldest waiting records to `target`: as few whole records as have `enough` bytes together, else all. Returns the number
 * of bytes, which is less than `enough` + MAX_RECORD. The records wait on until dropUpdate().
 */
export function copyUpdate(target: usize, enough: u32): u32 {
  let bytes: u32 = 0;
  while (bytes < enough && bytes < updateEnd) bytes += PREFIX_BYTES + prefixBlocks(update + bytes) * 8;
  memory.copy(target, update, bytes);
  return bytes;
}

/** Drops the oldest waiting records, which have `bytes` bytes. */
export function dropUpdate(bytes: u32): void {
  updateEnd -= bytes;
  memory.copy(update, update + bytes, updateEnd);
}

/** Takes over another worker's records. Returns the number of bytes up to the first one that is not whole. */
export function receiveUpdate(data: usize, bytes: u32): u32 {
  const end = data + bytes;
  let at = data;
  while (true) {
    const next = receivePrefixes(at, end, true);
    if (!next) return <u32>(at - data);
    at = next;
  }
}

/** Takes over one record if it is `fresh`: not received before. Returns the address of the next record; 0: no whole record. */
export function receivePrefixes(record: usize, end: usize, fresh: bool): usize {
  if (record + PREFIX_BYTES > end) return 0;
  const word: u32 = load<u16>(record, PREFIX_COUNT);
  const count = word & PREFIX_COUNT_MASK;
  const hashes = record + PREFIX_BYTES;
  if (count == 0 || count > MAX_BLOCKS || hashes + <usize>count * 8 > end) return 0;
  const entry = hasTable() && fresh ? findEntry(load<u64>(record, PREFIX_ENDPOINT)) : null;
  if (entry !== null) {
    touchAll(hashes, count, word >> PREFIX_UNITS_SHIFT, load<u64>(record, PREFIX_SEED), entry);
  }
  return hashes + <usize>count * 8;
}
