// llm-d's "optimized baseline": a filter keeps the pods that have cached most of the prompt, then the least loaded of these wins. Two
// programs have its plugins. They count the load differently:
//
//   endpoint picker 1.5.0   2.5 * body bytes / 4 of each request in flight (prompt and a guess of the answer), until the answer ends.
//                           The filter knows no time to first token without a latency predictor, so nothing breaks its affinity.
//                           One request in a hundred skips the filter.
//   llm-d-router            uncached prompt tokens, until the first byte. Four bytes are a token. Affinity breaks where a pod with the
//                           prompt would answer 18 s later than another one, at 15,928 tokens a second.
//
// Sources: GIE v1.5.0 and llm-d-router (August 2026), pkg/epp/framework/plugins: scheduling/filter/prefixcacheaffinity,
// scheduling/scorer/tokenload, requestcontrol/dataproducer/{approximateprefix,inflightload}.

import { Draws } from "../draws.ts";
import { bodyOf, pickerBlocks, type SimRequest } from "../request.ts";
import type { Contender } from "../world.ts";
import { highest } from "./choose.ts";
import { PrefixIndex } from "./epp.ts";
import { scrapeAsPicker } from "./picker-scrapes.ts";

/** token-load-scorer's queueThresholdTokens: more tokens in flight do not lower the score. */
const MOST_TOKENS = 4_194_304;
/** prefix-cache-affinity-filter's affinityThreshold. */
const AFFINITY = 0.8;
const BLOCK_TOKENS = 16;

interface Variant {
  name: string;
  title: string;
  /** explorationProbability. */
  exploration: number;
  /** maxTTFTPenaltyMs and peakPrefillThroughput; undefined: affinity never breaks. */
  penalty?: { ms: number; tokensPerSecond: number };
  /** Blocks of a prompt that count, of 64 bytes each. */
  blocksOf(request: SimRequest): ArrayLike<number>;
  /** Tokens in flight for a request of which the pod has `cached` blocks of `blocks`. */
  tokensOf(request: SimRequest, cached: number, blocks: number): number;
  /** Whether the tokens count until the first byte only. */
  untilFirstByte: boolean;
  /** Whether a pod's load includes the request that is picked for. */
  countsOwn: boolean;
}

function optimizedBaseline(variant: Variant): Contender {
  return {
    name: variant.name,
    title: variant.title,
    start(world) {
      const draws = new Draws(world.seed ^ 0x0b);
      scrapeAsPicker(world);
      const count = world.pods.length;
      const index = new PrefixIndex(count, world.pods[0]?.params.kvBlocks);
      const inFlight = new Float64Array(count);
      const all = Array.from({ length: count }, (_, pod) => pod);
      const load = (pod: number) => inFlight[pod] as number;
      const soonest = (pods: readonly number[]) => Math.min(...pods.map(load));

      const candidates = (matched: ArrayLike<number>, blocks: number): readonly number[] => {
        if (count < 2 || draws.fraction() < variant.exploration) return all;
        const holds = (pod: number) => blocks > 0 && (matched[pod] as number) / blocks >= AFFINITY;
        const sticky = all.filter(holds);
        if (sticky.length === 0 || sticky.length === count) return all;
        const { penalty } = variant;
        if (penalty === undefined) return sticky;
        const later = soonest(sticky) - soonest(all.filter((pod) => !holds(pod)));
        return (later / penalty.tokensPerSecond) * 1000 > penalty.ms ? all : sticky;
      };

      return {
        route(request) {
          const blocks = variant.blocksOf(request);
          const matched = index.match(blocks);
          const among = candidates(matched, blocks.length);
          const own = (pod: number) => variant.tokensOf(request, matched[pod] as number, blocks.length);
          const scores = among.map((pod) => -Math.min(MOST_TOKENS, load(pod) + (variant.countsOwn ? own(pod) : 0)));
          const pod = among[highest(scores, draws)] as number;
          index.insert(blocks, pod);
          const tokens = own(pod);
          inFlight[pod] = load(pod) + tokens;
          const forget = () => {
            inFlight[pod] = load(pod) - tokens;
          };
          return variant.untilFirstByte ? { pod, firstByte: forget } : { pod, end: forget };
        },
        close() {
          if (inFlight.some((left) => left !== 0))
            throw new Error(`${variant.name}: tokens are still counted at the end`);
        },
      };
    },
  };
}

const quarter = (bytes: number) => Math.max(1, Math.floor(bytes / 4));

export const eppOptimized: Contender = optimizedBaseline({
  name: "EPP opt. baseline",
  title:
    "endpoint picker 1.5.0 with llm-d's optimized baseline: of the pods that hold 0.80 of the prompt the one with the fewest tokens in flight, 2.5 * body bytes / 4 until the end; exploration 0.01",
  exploration: 0.01,
  blocksOf: ({ blocks }) => blocks,
  tokensOf(request) {
    const input = quarter(bodyOf(request).length);
    return input + Math.round(input * 1.5);
  },
  untilFirstByte: false,
  countsOwn: false,
});

/** maxPrefixTokensToMatch is 131,072. */
const ROUTER_BLOCKS = 131_072 / BLOCK_TOKENS;

export const llmdOptimized: Contender = optimizedBaseline({
  name: "llm-d opt. baseline",
  title:
    "llm-d-router of August 2026: of the pods that hold 0.80 of the prompt the one with the fewest uncached tokens up to the first byte; affinity breaks at 18 s, 15,928 tokens/s",
  exploration: 0,
  penalty: { ms: 18_000, tokensPerSecond: 15_928 },
  blocksOf: (request) => pickerBlocks(request, ROUTER_BLOCKS),
  tokensOf(request, cached, blocks) {
    const rest = Math.max(0, quarter(bodyOf(request).length) - blocks * BLOCK_TOKENS);
    return (blocks - cached) * BLOCK_TOKENS + rest;
  },
  untilFirstByte: true,
  countsOwn: true,
});
