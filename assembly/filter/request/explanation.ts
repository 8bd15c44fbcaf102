// Explanations of picks: a request with the debug secret gets a header with its answer that says how its pick came about.
// Texts wait for their answers in a fixed number of places; when all are taken, further requests get none.
import { equalConstantTime } from "../../base/bytes";
import { writeTo } from "../../base/writer";
import { RESPONSE_HEADERS, setHeader } from "../../host/calls";
import { explainPick } from "../../pick/explain";
import { Choice } from "../../pick/pick";
import { PickInput } from "../../pick/pick-input";
import { Profile } from "../../pick/profile";
import { count, EXPLAINED } from "../../stats";
import { EXPLAIN } from "../headers/names";
import { HEAD_DEBUG, headHas, headLength, headPointer } from "../headers/request-head";
import { Root } from "../root";
import { Stream } from "../streams";

const PLACES: u32 = 16;
/** u32 length, then the text. A header of 4 KiB passes everywhere. */
const PLACE_BYTES: u32 = 4096;
const places: usize = memory.data(65536, 8);
/** Bits of the taken ones. */
let taken: u32 = 0;

/** Marks a stream whose request may be explained: its head has the secret. After readHead(). */
export function mayExplain(stream: Stream): void {
  const secret = changetype<Root>(stream.root).config.pick.debugSecret;
  if (secret.length == 0 || !headHas(HEAD_DEBUG)) return;
  if (!equalConstantTime(headPointer(HEAD_DEBUG), headLength(HEAD_DEBUG), secret.pointer, secret.length)) return;
  for (let place: u32 = 0; place < PLACES; place++) {
    if (taken & (1 << place)) continue;
    taken |= 1 << place;
    stream.explanation = place + 1;
    store<u32>(places + place * PLACE_BYTES, 0);
    return;
  }
}

export function writeExplanation(stream: Stream, profile: Profile, input: PickInput, choice: Choice): void {
  const place = places + (stream.explanation - 1) * PLACE_BYTES;
  const writer = writeTo(place + 4, PLACE_BYTES - 4);
  explainPick(writer, profile, input, choice);
  store<u32>(place, writer.length);
}

/** With the answer's headers. */
export function sendExplanation(stream: Stream): void {
  const place = places + (stream.explanation - 1) * PLACE_BYTES;
  const length = load<u32>(place);
  if (length == 0) return;
  count(EXPLAINED);
  setHeader(RESPONSE_HEADERS, EXPLAIN, place + 4, length);
}

export function dropExplanation(stream: Stream): void {
  taken &= ~(1 << (stream.explanation - 1));
  stream.explanation = 0;
}
