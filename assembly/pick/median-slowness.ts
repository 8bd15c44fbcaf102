// The median slowness of a pick's candidates. Each endpoint's slowness (endpoints/speed.ts) is compared with this median.
import { entryOf } from "../endpoints/entries";
import { Candidates } from "./candidates";

/** If a pick has more candidates, the median of the first candidates is precise enough. */
const MAX_SORTED: u32 = 32;

const sorted: usize = memory.data(MAX_SORTED * 4, 4);

/** Median slowness of the candidates that have samples; 0: no candidate has. */
export function medianSlowness(candidates: Candidates): f32 {
  let n: u32 = 0;
  const count = candidates.count;
  for (let i: u32 = 0; i < count && n < MAX_SORTED; i++) {
    const entry = entryOf(candidates.endpoint(i));
    if (entry.speed.samples == 0) continue;
    const x = entry.speed.slowness;
    let at = n++;
    for (; at > 0 && load<f32>(sorted + (at - 1) * 4) > x; at--)
      store<f32>(sorted + at * 4, load<f32>(sorted + (at - 1) * 4));
    store<f32>(sorted + at * 4, x);
  }
  if (n == 0) return 0;
  const middle = sorted + (n >> 1) * 4;
  return n & 1 ? load<f32>(middle) : (load<f32>(middle) + load<f32>(middle - 4)) / 2;
}
