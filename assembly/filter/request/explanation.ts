// Explanations of picks. A request with the debug secret gets a response header that explains the pick. The explanations wait for
// their responses in SLOTS slots. When all slots are taken, further requests get no explanation.
import { equalConstantTime } from "../../base/bytes";
import { writeTo } from "../../base/writer";
import { RESPONSE_HEADERS, setHeader } from "../../host/calls";
import { explainPick } from "../../pick/explain";
import { Choice } from "../../pick/pick";
import { PickInput } from "../../pick/pick-input";
import { Profile } from "../../pick/profile";
import { count, EXPLAINED } from "../../stats";
import { EXPLAIN } from "../headers/header-names";
import { HEAD_DEBUG, headHas, headLength, headPointer } from "../headers/request-head";
import { Root } from "../root";
import { Stream } from "../streams";

/** Number of slots; `taken` has a bit for each slot. */
const SLOTS: u32 = 16;
/** Bytes of a slot. Clients and proxies accept a header of 4 KiB. */
const SLOT_BYTES: u32 = 4096;

/** The beginning of a slot. The text follows it. */
@unmanaged
class Explanation {
  length: u32 = 0;
}

const TEXT_AT: u32 = offsetof<Explanation>();
const slots: usize = memory.data(SLOTS * SLOT_BYTES, 8);
/** Bit i is 1 while slot i is taken. */
let taken: u32 = 0;

/** Call after readHead(). Gives a slot to a request whose head has the debug secret. */
export function mayExplain(stream: Stream): void {
  const secret = changetype<Root>(stream.root).config.pick.debugSecret;
  if (secret.length == 0 || !headHas(HEAD_DEBUG)) return;
  if (!equalConstantTime(headPointer(HEAD_DEBUG), headLength(HEAD_DEBUG), secret.pointer, secret.length)) return;
  for (let slot: u32 = 0; slot < SLOTS; slot++) {
    if (taken & (1 << slot)) continue;
    taken |= 1 << slot;
    stream.explanationSlot = slot + 1;
    explanationOf(stream).length = 0;
    return;
  }
}

function explanationOf(stream: Stream): Explanation {
  return changetype<Explanation>(slots + (stream.explanationSlot - 1) * SLOT_BYTES);
}

export function writeExplanation(stream: Stream, profile: Profile, input: PickInput, choice: Choice): void {
  const explanation = explanationOf(stream);
  const writer = writeTo(changetype<usize>(explanation) + TEXT_AT, SLOT_BYTES - TEXT_AT);
  explainPick(writer, profile, input, choice);
  explanation.length = writer.length;
}

/** Call at the response's headers. Writes the explanation into a response header. */
export function sendExplanation(stream: Stream): void {
  const explanation = explanationOf(stream);
  if (explanation.length == 0) return;
  count(EXPLAINED);
  setHeader(RESPONSE_HEADERS, EXPLAIN, changetype<usize>(explanation) + TEXT_AT, explanation.length);
}

export function dropExplanation(stream: Stream): void {
  taken &= ~(1 << (stream.explanationSlot - 1));
  stream.explanationSlot = 0;
}
