// Sends a request on: writes the model's headers, picks, writes the destination header, counts the request, and sets the filter
// state. A request that cannot be picked for goes on with Envoy's own load balancing. A counter and the filter state have the reason.
import { MAX_ADDRESS_BYTES, MODEL_IS_ADAPTER } from "../../../protocol/constants";
import { Bytes, bytesOf } from "../../base/bytes";
import { Random } from "../../base/random";
import { Config } from "../../config/config";
import { adapterSent } from "../../endpoints/adapters";
import { insertPrefix } from "../../endpoints/cache/prefix-updates";
import { Prompt } from "../../endpoints/cache/prompt";
import { followPrompt } from "../../endpoints/cache/running-prompts";
import { entryOf } from "../../endpoints/entries";
import { publishGeneration, seenInFlight, started } from "../../endpoints/in-flight";
import { unseenInFlight } from "../../endpoints/unseen";
import { tokensSent } from "../../endpoints/waiting-tokens";
import { setProperty } from "../../host/calls";
import { ticks, tickTime } from "../../host/tick-time";
import { Choice, pick, pickOnly } from "../../pick/pick";
import { newPickInput } from "../../pick/pick-input";
import { SESSION_AT_HOME } from "../../pick/session";
import { predictedSeconds } from "../../pick/token-cost";
import { choosePlace, PlaceChoice, rangeOf } from "../../places/choose";
import { wholeModel } from "../../places/range";
import { fieldBytes, fieldKind, fieldLength, VALUE_STRING } from "../../scan/json/fields";
import { current, hasSnapshot } from "../../snapshot/current";
import { NONE, SnapshotView } from "../../snapshot/view";
import {
  count,
  NO_ENDPOINT,
  NO_MODEL,
  NO_SNAPSHOT,
  PANIC,
  PICKED,
  SESSION_KEPT,
  SESSION_MOVED,
  STALE,
  UNKNOWN_MODEL,
} from "../../stats";
import { publishNews, receiveNews } from "../../workers/prefix-news";
import { receiveLoad, shareLoad } from "../../workers/shared-load";
import { followNewScrapes } from "../follow";
import { mayPick } from "../freshness";
import { changeHeader, dropHeader } from "../headers/changes";
import {
  ACCEPT_ENCODING,
  DESTINATION,
  LOAD_REPORT_FORMAT,
  STATE_ENDPOINT,
  STATE_MODEL,
  STATE_REASON,
} from "../headers/header-names";
import { measure } from "../measure";
import { Stream, stateOf } from "../streams";
import { fillInput } from "./ask";
import { setBaseModel } from "./base-model";
import { ownerOf } from "./by-response";
import { writeExplanation } from "./explanation";
import { countPlace, leavePlace } from "./place";

const input = newPickInput();
/** Most endpoints in a destination header. */
const MAX_DESTINATIONS: u32 = 3;
/** Value of the destination header: addresses with commas between them. */
const destination: usize = memory.data(MAX_DESTINATIONS * (MAX_ADDRESS_BYTES + 1));
/** The form of load reports to ask for. vLLM knows no other form. */
const TEXT = bytesOf("TEXT");

const PICKED_REASON = bytesOf("picked");
const UNKNOWN_MODEL_REASON = bytesOf("unknown_model");
const NO_MODEL_REASON = bytesOf("no_model");
const NO_SNAPSHOT_REASON = bytesOf("no_snapshot");
const STALE_REASON = bytesOf("stale");
const NO_ENDPOINT_REASON = bytesOf("no_endpoint");

/** Sends on a request that names no model. */
export function forwardWithoutModel(): void {
  fallBack(NO_MODEL, NO_MODEL_REASON, 0, 0);
}

/** Sends on a request for a model. `known` is the model's index in the snapshot; NONE: there is no snapshot, or it lacks the model. */
export function forward(stream: Stream, config: Config, known: u32, random: Random): void {
  const model = stream.served;
  const length = stream.servedLength;
  const header = unchecked(config.body.fields[0]).header;
  if (header.length > 0) changeHeader(header, stream.header, stream.headerLength);
  setBaseModel(config, known, model, length);
  if (!hasSnapshot()) fallBack(NO_SNAPSHOT, NO_SNAPSHOT_REASON, model, length);
  else if (known == NONE) fallBack(UNKNOWN_MODEL, UNKNOWN_MODEL_REASON, model, length);
  else if (!mayPick(config)) fallBack(STALE, STALE_REASON, model, length);
  else {
    const view = current();
    fillInput(stream, config, view, known, input);
    if (stream.prompt) receiveNews(input.now);
    receiveLoad(view, known, input.now);
    followNewScrapes();
    const owner = stream.creates ? previousOwner(stream, config) : NONE;
    const profile = config.pick.profile;
    const place = choosePlace(view, known, tickTime(), random);
    let choice =
      owner == NONE
        ? pick(view, known, profile, input, rangeOf(place, view, known), random)
        : pickOnly(view, known, profile, input, owner);
    if (choice.count == 0 && leavePlace(place))
      choice = pick(view, known, profile, input, wholeModel(view, known), random);
    if (input.session && choice.count && owner == NONE)
      count(choice.session == SESSION_AT_HOME ? SESSION_KEPT : SESSION_MOVED);
    if (choice.count == 0) fallBack(NO_ENDPOINT, NO_ENDPOINT_REASON, model, length);
    else {
      if (config.log.picks || config.pick.dryRun) logPick(view, model, length, choice.first);
      useChoice(stream, config, view, known, place, choice, random);
    }
  }
}

/** Counts the picked request, and writes its destination header. A dry run only counts. */
function useChoice(
  stream: Stream,
  config: Config,
  view: SnapshotView,
  model: u32,
  place: PlaceChoice,
  choice: Choice,
  random: Random,
): void {
  count(PICKED);
  const elsewhere = countPlace(place, view, random, config.log.picks || config.pick.dryRun);
  if (stream.explanationSlot) writeExplanation(stream, config.pick.profile, input, choice);
  if (config.pick.dryRun) {
    stream.wouldPick = entryOf(choice.first).hash;
    return;
  }
  if (choice.panic) count(PANIC);
  stream.countedOn = started(choice.first);
  stream.generation = publishGeneration();
  stream.sentTick = ticks();
  const entry = entryOf(choice.first);
  if (view.modelKind(model) == MODEL_IS_ADAPTER) adapterSent(input.model, entry, input.now);
  if (config.pick.readsPrompts) {
    stream.uncachedTokens = choice.uncached;
    stream.sentAt = input.now;
    stream.predicted = predicted(choice.first, choice.uncached);
    measure(stream, view, model, input, entry, stream.uncachedTokens);
    tokensSent(entry, stream.uncachedTokens, input.now);
    if (stream.prompt) {
      const prompt = changetype<Prompt>(stream.prompt);
      insertPrefix(prompt, input.seed, entry);
      if (followPrompt(prompt, input.seed, entry)) {
        stream.prompt = 0;
        stream.runningPrompt = changetype<usize>(prompt);
      }
    }
  }
  shareLoad(entry, input.now);
  publishNews(input.now);
  let at = append(destination, view, choice.first);
  if (choice.count > 1) at = append(comma(at), view, choice.second);
  // The last retry goes to another place, because the whole place of the first endpoints may be down.
  if (elsewhere != NONE) at = append(comma(at), view, elsewhere);
  else if (choice.count > 2) at = append(comma(at), view, choice.third);
  changeHeader(DESTINATION, destination, <u32>(at - destination));
  if (config.pick.profile.reports) changeHeader(LOAD_REPORT_FORMAT, TEXT.pointer, TEXT.length);
}

/**
 * Seconds until the response's first byte, as the pick predicts them. 0: most of the endpoint's requests are unseen, so what delays the
 * first byte is not known, and nothing is learned from it.
 */
function predicted(endpoint: u32, uncached: i32): f32 {
  const unseen = unseenInFlight(endpoint);
  if (unseen > <f32>seenInFlight(endpoint)) return 0;
  return predictedSeconds(entryOf(endpoint), endpoint, input, <f32>uncached, unseen);
}

/**
 * Returns the snapshot's index of the owner of the response that `previous_response_id` names. NONE: the request names no response,
 * or the owner is not known.
 */
function previousOwner(stream: Stream, config: Config): u32 {
  dropHeader(ACCEPT_ENCODING);
  const state = stateOf(stream);
  const field = config.body.responseField;
  if (fieldKind(state, field) != VALUE_STRING) return NONE;
  return ownerOf(fieldBytes(state, field), fieldLength(state, field));
}

/** Sets the filter state for the access log. Only on demand: headers have the same values, and a property costs more than a pick. */
function logPick(view: SnapshotView, model: usize, length: u32, endpoint: u32): void {
  setProperty(STATE_MODEL, model, length);
  setProperty(STATE_REASON, PICKED_REASON.pointer, PICKED_REASON.length);
  setProperty(STATE_ENDPOINT, view.address(endpoint), view.addressLength(endpoint));
}

/** Leaves the choice of an endpoint to Envoy. Counts this, and writes the reason into the filter state. */
function fallBack(counter: u32, reason: Bytes, model: usize, length: u32): void {
  count(counter);
  if (length > 0) setProperty(STATE_MODEL, model, length);
  setProperty(STATE_REASON, reason.pointer, reason.length);
}

function comma(at: usize): usize {
  store<u8>(at, 0x2c);
  return at + 1;
}

function append(at: usize, view: SnapshotView, endpoint: u32): usize {
  const length = view.addressLength(endpoint);
  memory.copy(at, view.address(endpoint), length);
  return at + length;
}
