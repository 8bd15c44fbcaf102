// Writes the sums of the base models as JSON, for models of the current snapshot that have sums.
import {
  BYTE_CLASSES,
  MODEL_IS_BASE,
  SUMS_BYTES,
  SUMS_CACHED_TOKENS,
  SUMS_FIT,
  SUMS_MODEL,
  SUMS_PROMPT,
  SUMS_REQUESTS,
  SUMS_USAGE_PROMPT,
  SUMS_USAGE_REQUESTS,
  SUMS_USAGE_TOKENS,
} from "../../../protocol/constants";
import { textHash } from "../../base/hash";
import { Writer } from "../../base/writer";
import { SnapshotView } from "../../snapshot/view";
import { AllSums } from "../../workers/published-sums";

/** Writes `,"sums":[...]`; nothing if no model has sums. */
export function writeSums(w: Writer, view: SnapshotView, sums: AllSums): void {
  if (sums.records == 0) return;
  w.raw(',"sums":[');
  let first = true;
  for (let model: u32 = 0; model < view.modelCount; model++) {
    if (view.modelKind(model) != MODEL_IS_BASE) continue;
    const record = recordOf(sums, textHash(view.modelName(model), view.modelNameLength(model)));
    if (record == 0) continue;
    w.raw(first ? '{"model":"' : ',{"model":"');
    first = false;
    w.escaped(view.modelName(model), view.modelNameLength(model));
    writeCount(w, '","requests":', record + SUMS_REQUESTS);
    writeCount(w, ',"cachedTokens":', record + SUMS_CACHED_TOKENS);
    writeClasses(w, ',"bytes":[', record + SUMS_PROMPT);
    writeCount(w, ',"usageRequests":', record + SUMS_USAGE_REQUESTS);
    writeCount(w, ',"usageTokens":', record + SUMS_USAGE_TOKENS);
    writeClasses(w, ',"usageBytes":[', record + SUMS_USAGE_PROMPT);
    writeFit(w, record + SUMS_FIT);
  }
  w.byte(0x5d);
}

/** Address of the record of the model whose name has this hash; 0: the model has no sums. */
function recordOf(sums: AllSums, model: u64): usize {
  for (let i: u32 = 0; i < sums.records; i++) {
    const record = sums.pointer + i * SUMS_BYTES;
    if (load<u64>(record, SUMS_MODEL) == model) return record;
  }
  return 0;
}

function writeCount(w: Writer, key: string, at: usize): void {
  w.raw(key);
  w.number(load<u32>(at));
}

function writeClasses(w: Writer, key: string, at: usize): void {
  w.raw(key);
  for (let i: u32 = 0; i < BYTE_CLASSES; i++) {
    if (i > 0) w.byte(0x2c);
    w.number(load<u32>(at + i * 4));
  }
  w.byte(0x5d);
}

/** Writes the number of the streamed responses, the sum of their uncached tokens, and of their seconds to the first byte. */
function writeFit(w: Writer, at: usize): void {
  w.raw(',"firstBytes":{"responses":');
  w.number(<u64>load<f64>(at));
  w.raw(',"tokens":');
  w.number(<u64>load<f64>(at, 8));
  w.raw(',"milliseconds":');
  w.number(<u64>(load<f64>(at, 16) * 1000));
  w.raw("}}");
}
