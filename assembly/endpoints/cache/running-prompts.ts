// Running prompts: the hashes of in-flight requests' prompts. The server evicts none of a request's blocks until the request ends,
// and counts their age from then on. The prefix index counts their age from when they were sent. So this module uses a prompt's
// blocks once more when its request ends, and before that each time half of the endpoint's cache was used after them. If few
// blocks were used after them, as with few or short requests, it does neither.
//
// A request that is sent now reaches the server's cache only after the requests that wait before it. If many tokens wait, the blocks
// of a request that ends now will be evicted by then. So while an endpoint is behind, its prompts are not used again.
//
// Memory: none of its own. A running prompt keeps the memory of its body's prompt; there are at most MAX_RUNNING. The blocks of
// further requests age from when they were sent.
import { PREFIX_UNIT_TOKENS } from "../../../protocol/constants";
import { findEntry } from "../entries";
import { Entry } from "../entry";
import { waitingTokens } from "../waiting-tokens";
import { ageOf, clockOf } from "./lru";
import { lastStamp } from "./prefix-index";
import { insertPrefix } from "./prefix-updates";
import { closePrompt, MAX_PROMPTS, Prompt } from "./prompt";

/** A quarter of the prompts is left for bodies that are being scanned, another for waiting requests (filter/request/hold.ts). */
const MAX_RUNNING: u32 = MAX_PROMPTS / 2;
/** Ages (lru.ts) from which on a prompt's blocks are used again: REFRESHED while its request is in flight, the next at its end. */
const REFRESHED: f32 = 0.5;
const AGED: f32 = 0.03125;
/** Share of an endpoint's cache. */
const BEHIND: f32 = 0.0625;

let first: usize = 0;
let count: u32 = 0;

/** Follows a prompt that was sent to the endpoint. False: the prompt is not followed, and the caller must close it. */
export function followPrompt(prompt: Prompt, seed: u64, entry: Entry): bool {
  if (prompt.count == 0 || count == MAX_RUNNING) return false;
  count++;
  prompt.seed = seed;
  prompt.endpoint = entry.hash;
  prompt.stamp = lastStamp(entry);
  prompt.before = 0;
  prompt.next = first;
  if (first) changetype<Prompt>(first).before = changetype<usize>(prompt);
  first = changetype<usize>(prompt);
  return true;
}

/** Moves a prompt to the endpoint that serves it instead of the picked endpoint. `endpoint`: the hash; 0: not known. */
export function movePrompt(prompt: Prompt, endpoint: u64): void {
  prompt.endpoint = endpoint;
  const entry = findEntry(endpoint);
  if (entry !== null) use(prompt, entry);
}

/** Forgets the prompts of an endpoint that was restarted. Their requests may not have ended yet. */
export function forgetPrompts(entry: Entry): void {
  for (let at = first; at; at = changetype<Prompt>(at).next) {
    if (changetype<Prompt>(at).endpoint == entry.hash) changetype<Prompt>(at).endpoint = 0;
  }
}

/** Ends and closes a followed prompt when its request has ended. */
export function endPrompt(prompt: Prompt): void {
  useAgain(prompt, AGED);
  count--;
  if (prompt.before) changetype<Prompt>(prompt.before).next = prompt.next;
  else first = prompt.next;
  if (prompt.next) changetype<Prompt>(prompt.next).before = prompt.before;
  closePrompt(prompt);
}

/** Uses prompts again whose blocks grew old. Called on the tick. */
export function refreshPrompts(): void {
  for (let at = first; at; at = changetype<Prompt>(at).next) useAgain(changetype<Prompt>(at), REFRESHED);
}

function useAgain(prompt: Prompt, age: f32): void {
  const entry = findEntry(prompt.endpoint);
  if (entry !== null && !isBehind(entry) && ageOf(clockOf(entry.number), prompt.stamp) >= age) use(prompt, entry);
}

/** Whether the endpoint's waiting tokens are more than the share BEHIND of the tokens that its cache has room for. */
function isBehind(entry: Entry): bool {
  return waitingTokens(entry) > BEHIND * <f32>PREFIX_UNIT_TOKENS * <f32>clockOf(entry.number).capacity;
}

function use(prompt: Prompt, entry: Entry): void {
  insertPrefix(prompt, prompt.seed, entry);
  prompt.stamp = lastStamp(entry);
}
