// What this worker measures at the requests of each base model: a sidecar learns from it what prompts cost (protocol/README.md, "What
// Envoys exchange", has the layout of a sums record). The table has what this worker measured since it last published
// (workers/published-sums.ts). A model keeps its record for as long as the VM lives. When the table is full, the requests of further
// models are not measured.
import {
  BYTE_CLASSES,
  MAX_SUMS,
  SUMS_BYTES,
  SUMS_CACHED_TOKENS,
  SUMS_FIT,
  SUMS_FIT_SUMS,
  SUMS_MODEL,
  SUMS_PROMPT,
  SUMS_REQUESTS,
  SUMS_USAGE_PROMPT,
  SUMS_USAGE_REQUESTS,
  SUMS_USAGE_TOKENS,
} from "../../protocol/constants";

/** No record: the model is not measured. */
export const NO_SUMS: u32 = 0;
/** Time between two responses of a model that are searched for `usage`, ns: at most eight a second. */
const USAGE_EVERY: u64 = 125000000;
/** A first byte that takes longer is no sample of the fit, seconds. */
const MAX_SECONDS: f64 = 3600;

const U32_SUMS_END: u32 = SUMS_USAGE_PROMPT + BYTE_CLASSES * 4;

/** Sums records. A record is found by linear probing from the hash of its model; MODEL 0: the record is free. */
const table: usize = memory.data(MAX_SUMS * SUMS_BYTES, 8);
/** For each record when the next response may be searched for `usage`, ns. */
const usageFrom: usize = memory.data(MAX_SUMS * 8, 8);
let changed: bool = false;

/** Returns the number of the record for the base model whose name has this hash; NO_SUMS: the table is full. */
export function sumsOf(model: u64): u32 {
  for (let i: u32 = 0; i < MAX_SUMS; i++) {
    const number = (<u32>model + i) % MAX_SUMS;
    const known = load<u64>(table + number * SUMS_BYTES, SUMS_MODEL);
    if (known == model) return number + 1;
    if (known != 0) continue;
    store<u64>(table + number * SUMS_BYTES, model, SUMS_MODEL);
    return number + 1;
  }
  return NO_SUMS;
}

/** Counts a request whose response has its first byte. `prompt`: BYTE_CLASSES u32 counts of its bytes (cache/byte-classes.ts). */
export function addRequest(sums: u32, cachedTokens: u32, prompt: usize): void {
  const record = recordOf(sums);
  raise(record + SUMS_REQUESTS, 1);
  raise(record + SUMS_CACHED_TOKENS, cachedTokens);
  addBytes(record + SUMS_PROMPT, prompt);
}

/** Counts a response that says that the prompt has `tokens` tokens. */
export function addUsage(sums: u32, tokens: u32, prompt: usize): void {
  const record = recordOf(sums);
  raise(record + SUMS_USAGE_REQUESTS, 1);
  raise(record + SUMS_USAGE_TOKENS, tokens);
  addBytes(record + SUMS_USAGE_PROMPT, prompt);
}

/** Adds a streamed response to the fit. `tokens`: uncached tokens ahead of the request, and its own. */
export function addFirstByte(sums: u32, tokens: f64, seconds: f64): void {
  if (!(seconds > 0 && seconds <= MAX_SECONDS && tokens >= 0)) return;
  const fit = recordOf(sums) + SUMS_FIT;
  raiseSum(fit, 1);
  raiseSum(fit + 8, tokens);
  raiseSum(fit + 16, seconds);
  raiseSum(fit + 24, tokens * tokens);
  raiseSum(fit + 32, tokens * seconds);
}

/** Returns whether a response of the model may be searched for `usage` at `now`, ns. Then the next one may be searched later. */
export function takesUsage(sums: u32, now: u64): bool {
  const from = usageFrom + (sums - 1) * 8;
  // The clock may have been set back.
  if (now < load<u64>(from) && load<u64>(from) - now <= USAGE_EVERY) return false;
  store<u64>(from, now + USAGE_EVERY);
  return true;
}

/** Returns whether anything was measured since clearSums(). */
export function sumsChanged(): bool {
  return changed;
}

/**
 * Adds what was measured to the sums records at `target`, which has room for MAX_SUMS records. Returns the new number of records. A
 * model that finds no room is left out.
 */
export function addSumsTo(target: usize, records: u32): u32 {
  let count = records;
  for (let number: u32 = 1; number <= MAX_SUMS; number++) {
    const record = recordOf(number);
    const model = load<u64>(record, SUMS_MODEL);
    if (model == 0 || (load<u32>(record, SUMS_REQUESTS) == 0 && load<u32>(record, SUMS_USAGE_REQUESTS) == 0)) continue;
    let i: u32 = 0;
    while (i < count && load<u64>(target + i * SUMS_BYTES, SUMS_MODEL) != model) i++;
    if (i == count) {
      if (count == MAX_SUMS) continue;
      memory.fill(target + i * SUMS_BYTES, 0, SUMS_BYTES);
      store<u64>(target + i * SUMS_BYTES, model, SUMS_MODEL);
      count++;
    }
    addRecord(target + i * SUMS_BYTES, record);
  }
  return count;
}

/** Call when what was measured is published. Models keep their records. */
export function clearSums(): void {
  changed = false;
  for (let number: u32 = 1; number <= MAX_SUMS; number++) {
    memory.fill(recordOf(number) + SUMS_REQUESTS, 0, SUMS_BYTES - SUMS_REQUESTS);
  }
}

function recordOf(sums: u32): usize {
  return table + (sums - 1) * SUMS_BYTES;
}

function addRecord(target: usize, record: usize): void {
  for (let at = SUMS_REQUESTS; at < U32_SUMS_END; at += 4) {
    store<u32>(target + at, load<u32>(target + at) + load<u32>(record + at));
  }
  for (let at = SUMS_FIT; at < SUMS_FIT + SUMS_FIT_SUMS * 8; at += 8) {
    store<f64>(target + at, load<f64>(target + at) + load<f64>(record + at));
  }
}

function addBytes(target: usize, prompt: usize): void {
  for (let at: u32 = 0; at < BYTE_CLASSES * 4; at += 4) raise(target + at, load<u32>(prompt + at));
}

function raise(at: usize, by: u32): void {
  changed = true;
  store<u32>(at, load<u32>(at) + by);
}

function raiseSum(at: usize, by: f64): void {
  store<f64>(at, load<f64>(at) + by);
}
