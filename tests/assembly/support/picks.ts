// Pools of endpoints for the specs of picks, and the memory of one pick.
import { newRandom, Random } from "../../../assembly/base/random";
import { followAdapters } from "../../../assembly/endpoints/adapters";
import { followCaches } from "../../../assembly/endpoints/cache/prefix-index";
import { followCosts } from "../../../assembly/endpoints/costs";
import { entryOf } from "../../../assembly/endpoints/entries";
import { followTopology, started } from "../../../assembly/endpoints/in-flight";
import { tokensSent } from "../../../assembly/endpoints/waiting-tokens";
import { beginCandidates, CANDIDATES_BYTES, Candidates, findCandidates } from "../../../assembly/pick/candidates";
import { costCandidates } from "../../../assembly/pick/pick";
import { newPickInput, PickInput } from "../../../assembly/pick/pick-input";
import { addScorer, KIND_SCORERS, newProfile, Profile } from "../../../assembly/pick/profile";
import { wholeModel } from "../../../assembly/places/range";
import { SnapshotView } from "../../../assembly/snapshot/view";
import { Builder } from "./builder";

export const random: Random = newRandom(5);
export const input: PickInput = newPickInput();
export const candidates = changetype<Candidates>(memory.data(CANDIDATES_BYTES, 8));
/** Nanoseconds of a second, and the instant of the picks. */
export const SECOND: u64 = 1000000000;
let subnet = 0;

/** A snapshot with `count` idle pods that have new addresses. All pods serve the model with index 0. */
export function pods(count: i32): Builder {
  subnet++;
  const builder = new Builder();
  const all: u32[] = [];
  for (let i = 0; i < count; i++) {
    builder.pod(`10.${100 + subnet}.${100 + i / 100}.${100 + (i % 100)}:8000`);
    all.push(i);
  }
  builder.model("m", all);
  return builder;
}

export function opened(builder: Builder): SnapshotView {
  const view = builder.view();
  followTopology(view);
  followCaches(view);
  followAdapters(view);
  return view;
}

/** Follows the snapshot with its costs. The pick's request then is one of `tokens` tokens without a prompt. */
export function follow(builder: Builder, tokens: i32): SnapshotView {
  const view = opened(builder);
  followCosts(view);
  input.prompt = 0;
  input.tokens = tokens;
  return view;
}

/** Sends a request of `tokens` tokens that the endpoint has not cached. The other workers are told at once. */
export function send(endpoint: u32, tokens: i32): void {
  started(endpoint);
  tokensSent(entryOf(endpoint), tokens, SECOND);
}

/** A profile with one scorer. */
export function one(scorer: u32, parameter: f64 = 0): Profile {
  const profile = newProfile(KIND_SCORERS);
  addScorer(profile, scorer, 1, parameter);
  return profile;
}

/** Fills `candidates` with the candidates of a pick. */
export function lookAt(view: SnapshotView, model: u32, profile: Profile): void {
  beginCandidates(candidates, view, model, wholeModel(view, model), input.now);
  findCandidates(candidates, profile, input, random);
}

/** Score of candidate `i` of model `model`. It is best - cost, because cost = best - score. */
export function score(view: SnapshotView, profile: Profile, i: u32, model: u32 = 0): f64 {
  lookAt(view, model, profile);
  costCandidates(candidates, profile, input);
  return profile.best - candidates.cost(i);
}

export function near(x: f64, expected: f64): void {
  expect(Math.abs(x - expected) < 1e-6).toBe(true, `${x} is ${expected}`);
}
