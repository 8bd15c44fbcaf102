// Chooses the endpoint for a request and two fallbacks, the cheapest first. Costs closer than TIE are equal and are
// decided at random: each cost gets a random part of TIE on top.
import { ENDPOINT_ASLEEP, ENDPOINT_DRAINING, ENDPOINT_READY } from "../../protocol/constants";
import { NONE, SnapshotView } from "../snapshot/view";
import { cost, signalsOf, USE_KV, USE_QUEUE } from "./cost";
import { entryOf, mix } from "./entries";
import { Prompt, promptHash } from "./prompt";
import { Random } from "./random";
import { tokenCost, Work } from "./rule";

/** A tenth of a request. */
const TIE: f32 = 0.1;
const TIE_TOKENS: f32 = 8;
/** A pool of more endpoints is sampled. */
const FULL_SCAN: u32 = 16;
const RANDOM_CANDIDATES: u32 = 8;
/** The pick and two fallbacks: what override_host tries in turn. */
export const MOST_PICKS: u32 = 3;

@unmanaged
export class Picks {
  count: u32 = 0;
  first: u32 = 0;
  second: u32 = 0;
  third: u32 = 0;
  firstCost: f32 = 0;
  secondCost: f32 = 0;
  thirdCost: f32 = 0;
}

export function newPicks(): Picks {
  return changetype<Picks>(heap.alloc(offsetof<Picks>()));
}

/** May get requests: ready, not on its way out, awake. */
export function usable(view: SnapshotView, endpoint: u32): bool {
  return (view.flags(endpoint) & (ENDPOINT_READY | ENDPOINT_DRAINING | ENDPOINT_ASLEEP)) == ENDPOINT_READY;
}

/** Profile "load" (cost.ts): fills `picks` with up to three different endpoints of the model, best first. */
export function pick(view: SnapshotView, model: u32, random: Random, picks: Picks): void {
  begin(picks);
  const first = view.modelFirst(model);
  const end = first + view.modelEndpoints(model);
  let signals: u32 = USE_QUEUE | USE_KV;
  for (let link = first; link < end; link++) {
    const endpoint = view.linkEndpoint(link);
    if (usable(view, endpoint)) signals &= signalsOf(view, endpoint);
  }
  for (let link = first; link < end; link++) {
    const endpoint = view.linkEndpoint(link);
    if (usable(view, endpoint)) offer(picks, endpoint, cost(view, endpoint, signals) + random.fraction() * TIE);
  }
}

/** Profile "tokens" (rule.ts): the same. In a large pool only some endpoints are looked at, see candidates below. */
export function pickByTokens(view: SnapshotView, model: u32, work: Work, random: Random, picks: Picks): void {
  begin(picks);
  const first = view.modelFirst(model);
  const count = view.modelEndpoints(model);
  if (count <= FULL_SCAN) {
    for (let i: u32 = 0; i < count; i++) offerLink(view, model, first + i, work, random, picks);
    return;
  }
  // A full scan of a large pool herds and costs. Random endpoints keep it even; the homes of the prompt's beginnings, by
  // rendezvous hashing, are where requests that share them were sent before, by any gateway.
  for (let depth: u32 = 0; depth < 64; depth = depth * 4 + 3) {
    const home = homeOf(view, first, count, work, depth);
    if (home != NONE) offerLink(view, model, home, work, random, picks);
  }
  for (let i: u32 = 0; i < RANDOM_CANDIDATES; i++) {
    offerLink(view, model, first + (random.next() % count), work, random, picks);
  }
  // With most of a pool down, eight random ones may all be: then everything is looked at.
  for (let i: u32 = 0; i < count && picks.count == 0; i++) offerLink(view, model, first + i, work, random, picks);
}

function offerLink(view: SnapshotView, model: u32, link: u32, work: Work, random: Random, picks: Picks): void {
  const endpoint = view.linkEndpoint(link);
  if (endpoint == picks.first || endpoint == picks.second || endpoint == picks.third) return;
  if (!usable(view, endpoint)) return;
  offer(picks, endpoint, tokenCost(view, model, link, work) + random.fraction() * TIE_TOKENS);
}

/** Link of the endpoint with the highest hash together with the first `depth` + 1 blocks; NONE for a shorter prompt. */
function homeOf(view: SnapshotView, first: u32, count: u32, work: Work, depth: u32): u32 {
  if (!work.prompt || changetype<Prompt>(work.prompt).count <= depth) return NONE;
  const key = promptHash(changetype<Prompt>(work.prompt), depth) ^ work.seed;
  let home = NONE;
  let best: u64 = 0;
  for (let link = first; link < first + count; link++) {
    const endpoint = view.linkEndpoint(link);
    const weight = mix(key ^ entryOf(endpoint).hash);
    if (weight <= best || !usable(view, endpoint)) continue;
    best = weight;
    home = link;
  }
  return home;
}

function begin(picks: Picks): void {
  picks.count = 0;
  picks.first = NONE;
  picks.second = NONE;
  picks.third = NONE;
  picks.firstCost = Infinity;
  picks.secondCost = Infinity;
  picks.thirdCost = Infinity;
}

/** Keeps the three cheapest. */
function offer(picks: Picks, endpoint: u32, x: f32): void {
  if (x < picks.firstCost) {
    picks.third = picks.second;
    picks.thirdCost = picks.secondCost;
    picks.second = picks.first;
    picks.secondCost = picks.firstCost;
    picks.first = endpoint;
    picks.firstCost = x;
  } else if (x < picks.secondCost) {
    picks.third = picks.second;
    picks.thirdCost = picks.secondCost;
    picks.second = endpoint;
    picks.secondCost = x;
  } else if (x < picks.thirdCost) {
    picks.third = endpoint;
    picks.thirdCost = x;
  } else return;
  if (picks.count < MOST_PICKS) picks.count++;
}
