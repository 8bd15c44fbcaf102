// Explains a pick to people who send the debug secret: the choice, and the terms of each candidate's cost or score. The text is
// one line of visible ASCII, for a header's value. The chosen candidates come first, in their order. Other candidates follow
// until the buffer is full.
//
//   tokens candidates=3 prefill=0.4000; 1 10.0.0.1:8000 cost=212 s=1.0000 q=0 u=16 n=2.0000 a=0; 2 10.0.0.2:8000 ...
//          A candidate that is not the prompt's owner has o=... before a=, where owners count. A candidate whose KV cache is full has
//          f=... there.
//   load   ...: cost=2.0000 seen=1;
//   scorers: score=3.5000 of 7; each score by its scorer's index in the profile: 0=1.0000*2 ...
import { Writer } from "../base/writer";
import { entryOf } from "../endpoints/entries";
import { anyTrouble, weightOf } from "../endpoints/health";
import { seenInFlight } from "../endpoints/in-flight";
import { Choice, costCandidates } from "./pick";
import { PickInput } from "./pick-input";
import { KIND_LOAD, KIND_TOKENS, Profile, scorerAt } from "./profile";
import { scoreCandidates } from "./scorers";
import { commonTerms, tokenTerms } from "./token-cost";

/** Writes the explanation. Must be called after the pick and before the request is counted, so that the costs are the same. */
export function explainPick(w: Writer, profile: Profile, input: PickInput, choice: Choice): void {
  const candidates = choice.candidates;
  costCandidates(candidates, profile, input);
  w.raw(profile.kind == KIND_TOKENS ? "tokens" : profile.kind == KIND_LOAD ? "load" : "scorers");
  w.raw(" candidates=");
  w.number(candidates.count);
  if (profile.kind == KIND_TOKENS) fraction(w, " prefill=", commonTerms(candidates, profile, input).prefillPrice);
  if (input.session) w.raw(" session");
  for (let rank: u32 = 1; rank <= 3; rank++) {
    for (let i: u32 = 0; i < candidates.count; i++)
      if (rankOf(choice, candidates.endpoint(i)) == rank) explain(w, profile, input, choice, i, rank);
  }
  for (let i: u32 = 0; i < candidates.count; i++)
    if (rankOf(choice, candidates.endpoint(i)) == 0) explain(w, profile, input, choice, i, 0);
}

/** Writes candidate `i`, or nothing if the text does not fit. `rank`: 1 to 3 for a chosen candidate, else 0. */
function explain(w: Writer, profile: Profile, input: PickInput, choice: Choice, i: u32, rank: u32): void {
  const before = w.at;
  const candidates = choice.candidates;
  const view = candidates.view;
  const endpoint = candidates.endpoint(i);
  w.raw("; ");
  if (rank) {
    w.number(rank);
    w.byte(0x20);
  }
  w.bytes(view.address(endpoint), view.addressLength(endpoint));
  if (profile.kind == KIND_TOKENS) {
    const terms = tokenTerms(candidates, i, profile, input, commonTerms(candidates, profile, input));
    number(w, " cost=", terms.cost);
    fraction(w, " s=", terms.speed);
    number(w, " q=", terms.queue);
    number(w, " u=", terms.uncached);
    fraction(w, " n=", terms.requests);
    if (terms.notOwner > 0) number(w, " o=", terms.notOwner);
    if (terms.fullCache > 0) number(w, " f=", terms.fullCache);
    number(w, " a=", terms.adapter);
  } else if (profile.kind == KIND_LOAD) {
    fraction(w, " cost=", <f32>candidates.cost(i));
    number(w, " seen=", <f32>max(seenInFlight(endpoint), 0));
  } else {
    fraction(w, " score=", <f32>max<f64>(profile.best - candidates.cost(i), 0));
    for (let s: u32 = 0; s < profile.scorers; s++) {
      w.byte(0x20);
      w.number(s);
      if (!scoreCandidates(candidates, profile, input, s)) {
        w.raw("=dropped");
        continue;
      }
      fraction(w, "=", <f32>candidates.score(i));
      fraction(w, "*", <f32>scorerAt(profile, s).weight);
    }
  }
  if (anyTrouble(input.now)) fraction(w, " w=", <f32>weightOf(entryOf(endpoint), input.now));
  if (w.overflowed) w.at = before;
}

/** 1 to 3 for a chosen endpoint, else 0. */
function rankOf(choice: Choice, endpoint: u32): u32 {
  if (endpoint == choice.first) return 1;
  return endpoint == choice.second ? 2 : endpoint == choice.third ? 3 : 0;
}

function number(w: Writer, name: string, x: f32): void {
  w.raw(name);
  w.number(<u64>max<f32>(x, 0));
}

function fraction(w: Writer, name: string, x: f32): void {
  w.raw(name);
  w.fraction(x);
}
