// The median slowness of a pick's candidates. Each endpoint's slowness (endpoints/speed.ts) is compared with this median. An endpoint
// counts in the median as much as its samples are trusted, so an endpoint with few samples does not move the median.
import { entryOf } from "../endpoints/entries";
import { trustIn } from "../endpoints/speed";
import { Candidates } from "./candidates";

/** If a pick has more candidates, the median of the first candidates is precise enough. */
const MAX_SORTED: u32 = 32;

/** Slowness and trust of each candidate, an f32 each, ascending by slowness. */
const sorted: usize = memory.data(MAX_SORTED * 8, 4);

/** Weighted median of the slowness of the candidates that have samples; 0: no candidate has. */
export function medianSlowness(candidates: Candidates): f32 {
  let n: u32 = 0;
  let total: f32 = 0;
  const count = candidates.count;
  for (let i: u32 = 0; i < count && n < MAX_SORTED; i++) {
    const entry = entryOf(candidates.endpoint(i));
    if (entry.speed.samples == 0) continue;
    const x = entry.speed.slowness;
    const trust = trustIn(entry);
    total += trust;
    let at = n++;
    for (; at > 0 && load<f32>(sorted + (at - 1) * 8) > x; at--)
      store<u64>(sorted + at * 8, load<u64>(sorted + (at - 1) * 8));
    store<f32>(sorted + at * 8, x);
    store<f32>(sorted + at * 8, trust, 4);
  }
  // Half of the trust is below the median. Where the half lies between two candidates, the median does too.
  let below: f32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    below += load<f32>(sorted + i * 8, 4);
    if (below * 2 < total) continue;
    const x = load<f32>(sorted + i * 8);
    return below * 2 > total || i + 1 == n ? x : (x + load<f32>(sorted + (i + 1) * 8)) / 2;
  }
  return 0;
}
