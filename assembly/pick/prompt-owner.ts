// The owner of a prompt: the endpoint that the prompt should go to if the owner's load allows. Two cases need an owner beside the prefix
// index (profile "tokens", token-cost.ts):
//
//   overload   In an overloaded pool prompts are evicted before they are asked for again, so nothing matches. The owner is the endpoint
//              that was last sent the longest known beginning of the prompt (endpoints/cache/last-sent.ts).
//              price = min(O, max(0, X * b - Y)) * k / T
//   foreign    Foreign gateways (endpoints/unseen.ts) send prompts to the same endpoints. The prefix index knows nothing of those
//              prompts. The owner is the endpoint that has most of the prompt cached, if it has the beginning that gives the prompt its
//              home. Otherwise the owner is this home: the endpoint that rendezvous hashing gives. All gateways find the same home.
//              price = H * w
//
//   b  share of the candidates' caches that waiting tokens would fill: near 0 in a pool that is not overloaded
//   k, T  tokens of the known beginning, and of the prompt
//   w  weight of foreign gateways, 0 to 1 (endpoints/unseen.ts)
//
// The price is the fraction of the mean load by which an owner's load may exceed another endpoint's. Source of such a bound: consistent
// hashing with bounded loads, Mirrokni et al. 2016.
import { findLastSent } from "../endpoints/cache/last-sent";
import { matchPrefix } from "../endpoints/cache/prefix-index";
import { Prompt, piecesOf } from "../endpoints/cache/prompt";
import { entryOf } from "../endpoints/entries";
import { unseenWeight } from "../endpoints/unseen";
import { NONE } from "../snapshot/view";
import { Candidates, findPromptHome, homeBlocks } from "./candidates";
import { PickInput } from "./pick-input";

/** An owner is preferred while its load is at most this much above the mean, as a fraction of the mean. */
const O: f32 = 0.5;
/** Owners begin to count when waiting tokens would fill Y / X of the caches, and count fully at (O + Y) / X: 3 % and 8 %. */
const X: f32 = 10;
const Y: f32 = 0.3;
/** The same bound as O, beside foreign gateways. */
const H: f32 = 1;

@unmanaged
class PromptOwner {
  /** The owner's index in the snapshot; NONE: the prompt has no owner, or owners do not count. */
  endpoint: u32 = 0;
  /** Price of the other endpoints, as a fraction of the mean candidate's load; 0 without an owner. */
  price: f32 = 0;
}

const found = changetype<PromptOwner>(memory.data(offsetof<PromptOwner>(), 4));

/** Finds the owner of the input's prompt. `behind`: b of the formula. The record is valid until the next call. */
export function findOwner(candidates: Candidates, input: PickInput, behind: f32): PromptOwner {
  found.endpoint = NONE;
  found.price = 0;
  if (!input.prompt) return found;
  const foreign = unseenWeight();
  if (foreign > 0) return homeOwner(candidates, input, foreign);
  const price = min<f32>(O, max<f32>(X * behind - Y, 0));
  if (price == 0) return found;
  const sent = findLastSent(changetype<Prompt>(input.prompt), input.seed);
  if (sent.last == NONE) return found;
  const known = <f32>piecesOf(sent.blocks) * input.pieceTokens;
  found.endpoint = sent.last;
  found.price = (price * known) / <f32>max(input.tokens, 1);
  return found;
}

function homeOwner(candidates: Candidates, input: PickInput, weight: f32): PromptOwner {
  const prompt = changetype<Prompt>(input.prompt);
  const beginning = homeBlocks(prompt);
  if (beginning == 0) return found;
  let most: u32 = 0;
  for (let i: u32 = 0; i < candidates.count; i++) {
    const endpoint = candidates.endpoint(i);
    const match = matchPrefix(prompt, input.seed, entryOf(endpoint));
    if (match < beginning || match <= most) continue;
    most = match;
    found.endpoint = endpoint;
  }
  if (most == 0) {
    findPromptHome(candidates, prompt, input.seed);
    if (candidates.promptHome != NONE) found.endpoint = candidates.view.linkEndpoint(candidates.promptHome);
  }
  if (found.endpoint != NONE) found.price = H * weight;
  return found;
}
