// A pick in words, for people who ask with the debug secret: what was picked, and for each candidate what its cost or score
// is made of. One line of visible ASCII, as a header's value, as long as there is room; the picked ones have their place.
//
//   tokens candidates=3 prefill=0.4000; 1 10.0.0.1:8000 cost=212 s=1.0000 q=0 u=16 n=2 a=0; 2 10.0.0.2:8000 ...
//   load   ...: cost=2.0000 seen=1;
//   scorers: score=3.5000 of 7; the scores by their names' places in pick/scorers.ts: 0=1.0000*2 ...

import { Writer } from "../base/writer";
import { entryOf } from "../endpoints/entries";
import { anyTrouble, weightOf } from "../endpoints/health";
import { seenInFlight } from "../endpoints/in-flight";
import { medianSlowness } from "../endpoints/speed";
import { SnapshotView } from "../snapshot/view";
import { candidateCost, candidateCount, candidateLink } from "./candidates";
import { Choice, costCandidates } from "./pick";
import { PickInput } from "./pick-input";
import { KIND_LOAD, KIND_TOKENS, Profile, scorerWeight } from "./profile";
import { scores, scoreValue } from "./scorers";
import { sessionHome } from "./session";
import { prefillPrice, terms, tokenTerms, worstUnseen } from "./token-cost";

/** Right after pick(), before the request is counted: the candidates are still in the list. */
export function explainPick(
  w: Writer,
  view: SnapshotView,
  model: u32,
  profile: Profile,
  input: PickInput,
  choice: Choice,
): void {
  costCandidates(view, model, profile, input);
  w.raw(profile.kind == KIND_TOKENS ? "tokens" : profile.kind == KIND_LOAD ? "load" : "scorers");
  w.raw(" candidates=");
  w.number(candidateCount());
  if (profile.kind == KIND_TOKENS) fraction(w, " prefill=", prefillPrice);
  if (input.session) w.raw(" session");
  // The picked ones first: they are there whatever there is room for.
  for (let place: u32 = 1; place <= 3; place++) {
    for (let i: u32 = 0; i < candidateCount(); i++)
      if (placeOf(choice, view.linkEndpoint(candidateLink(i))) == place)
        explain(w, view, model, profile, input, i, place);
  }
  for (let i: u32 = 0; i < candidateCount(); i++)
    if (placeOf(choice, view.linkEndpoint(candidateLink(i))) == 0) explain(w, view, model, profile, input, i, 0);
}

/** Whole, or not at all. */
function explain(
  w: Writer,
  view: SnapshotView,
  model: u32,
  profile: Profile,
  input: PickInput,
  i: u32,
  place: u32,
): void {
  const before = w.at;
  const link = candidateLink(i);
  const endpoint = view.linkEndpoint(link);
  w.raw("; ");
  if (place) {
    w.number(place);
    w.byte(0x20);
  }
  w.bytes(view.address(endpoint), view.addressLength(endpoint));
  if (profile.kind == KIND_TOKENS) {
    tokenTerms(view, model, link, profile, input, medianSlowness(view), worstUnseen(view, profile, input));
    number(w, " cost=", terms.cost);
    fraction(w, " s=", terms.speed);
    number(w, " q=", terms.queue);
    number(w, " u=", terms.uncached);
    fraction(w, " n=", terms.requests);
    number(w, " a=", terms.adapter);
  } else if (profile.kind == KIND_LOAD) {
    fraction(w, " cost=", <f32>candidateCost(i));
    number(w, " seen=", <f32>max(seenInFlight(endpoint), 0));
  } else {
    fraction(w, " score=", <f32>max<f64>(profile.best - candidateCost(i), 0));
    for (let s: u32 = 0; s < profile.scorers; s++) {
      w.byte(0x20);
      w.number(s);
      if (!scores(view, profile, input, sessionHome(), s)) {
        w.raw("=dropped");
        continue;
      }
      fraction(w, "=", <f32>scoreValue(i));
      fraction(w, "*", <f32>scorerWeight(profile, s));
    }
  }
  if (anyTrouble(input.now)) fraction(w, " w=", <f32>weightOf(entryOf(endpoint), input.now));
  if (w.overflowed) w.at = before;
}

function placeOf(choice: Choice, endpoint: u32): u32 {
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
