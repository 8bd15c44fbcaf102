// Running prompts: the hashes of in-flight requests' prompts. The server evicts none of a request's blocks until the request ends,
// and counts their age from then on. The prefix index counts their age from when they were sent. So a prompt is used once more
// when its request ends, and before that each time that half of its endpoint's cache was used after it. Where few requests are in
// flight, or short ones, neither happens.
//
// Memory: the prompts that scanned bodies left behind, MAX_RUNNING of them at most. The blocks of further requests age from when
// they were sent.
import { findEntry } from "../entries";
import { Entry } from "../entry";
import { ageOf, clockOf } from "./lru";
import { lastStamp } from "./prefix-index";
import { insertPrefix } from "./prefix-updates";
import { closePrompt, MAX_PROMPTS, Prompt } from "./prompt";

/** A quarter is left for bodies that are being scanned, another quarter for waiting requests (filter/request/hold.ts). */
const MAX_RUNNING: u32 = MAX_PROMPTS / 2;
/** Ages (lru.ts) from which on a prompt is used again: while its request is in flight, and at its end. */
const REFRESHED: f32 = 0.5;
const AGED: f32 = 0.03125;

let first: usize = 0;
let count: u32 = 0;

/** The prompt was sent to the endpoint. False: it is not followed, and the caller closes it. */
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

/** Another endpoint than the picked one serves the prompt. `endpoint`: its hash; 0: it is not known. */
export function movePrompt(prompt: Prompt, endpoint: u64): void {
  prompt.endpoint = endpoint;
  const entry = findEntry(endpoint);
  if (entry !== null) use(prompt, entry);
}

/** The endpoint was restarted: its prompts are over, though the requests may not have ended yet. */
export function forgetPrompts(entry: Entry): void {
  for (let at = first; at; at = changetype<Prompt>(at).next) {
    if (changetype<Prompt>(at).endpoint == entry.hash) changetype<Prompt>(at).endpoint = 0;
  }
}

/** The request of a followed prompt has ended; closes it. */
export function endPrompt(prompt: Prompt): void {
  useAgain(prompt, AGED);
  count--;
  if (prompt.before) changetype<Prompt>(prompt.before).next = prompt.next;
  else first = prompt.next;
  if (prompt.next) changetype<Prompt>(prompt.next).before = prompt.before;
  closePrompt(prompt);
}

/** On the tick. */
export function refreshPrompts(): void {
  for (let at = first; at; at = changetype<Prompt>(at).next) useAgain(changetype<Prompt>(at), REFRESHED);
}

function useAgain(prompt: Prompt, age: f32): void {
  const entry = findEntry(prompt.endpoint);
  if (entry !== null && ageOf(clockOf(entry.number), prompt.stamp) >= age) use(prompt, entry);
}

function use(prompt: Prompt, entry: Entry): void {
  insertPrefix(prompt, prompt.seed, entry);
  prompt.stamp = lastStamp(entry);
}
