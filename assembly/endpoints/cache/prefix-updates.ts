// Prefix updates: workers and Envoys publish the hashes of the prompts that they sent. An update is a sequence of records with
// the layout of the snapshot's section PREFIXES (protocol/README.md). Only records from other Envoys have numbers.
import {
  PREFIX_BYTES,
  PREFIX_COUNT,
  PREFIX_COUNT_MASK,
  PREFIX_ENDPOINT,
  PREFIX_SEED,
  PREFIX_UNITS_SHIFT,
} from "../../../protocol/constants";
import { findEntry } from "../entries";
import { Entry } from "../entry";
import { hasTable, touchAll } from "./prefix-index";
import { MAX_BLOCKS, Prompt, promptHashes } from "./prompt";

/**
 * Bytes of the update of one tick. A record that does not fit is not published. The other workers then notice the prompt by the
 * endpoint's response times, or not at all.
 */
export const UPDATE_BYTES: u32 = 32768;
const update: usize = memory.data(UPDATE_BYTES, 8);
let updateEnd: u32 = 0;

/** Records that the prompt was sent to the endpoint, in this worker's index and in the update for the other workers. */
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

/** Number of bytes that takeUpdate() would move. */
export function updateWaiting(): u32 {
  return updateEnd;
}

/** Moves the update since the last call to `target`, which has room for UPDATE_BYTES. Returns the number of bytes. */
export function takeUpdate(target: usize): u32 {
  const bytes = updateEnd;
  memory.copy(target, update, bytes);
  updateEnd = 0;
  return bytes;
}

/** Takes over another worker's update, which consists of whole records. */
export function receiveUpdate(data: usize, bytes: u32): void {
  const end = data + bytes;
  for (let at = data; at; ) at = receivePrefixes(at, end, true);
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
