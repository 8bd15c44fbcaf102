// Sends requests of the Responses API to the owner of a response. An endpoint keeps the responses that it gave, so a request that
// needs a response has to go to that endpoint. Four kinds of requests need a response: GET and DELETE below /v1/responses/{id},
// POST /v1/responses/{id}/cancel, and a POST whose `previous_response_id` names a response. The owner of a response is learned from
// the HTTP response that creates it (filter/response/learn-response.ts).
import { bytesEqual, bytesOf, startsWith } from "../../base/bytes";
import { textHash } from "../../base/hash";
import { findEntry } from "../../endpoints/entries";
import { Entry } from "../../endpoints/entry";
import { pathLength } from "../../route/paths";
import { current, hasSnapshot } from "../../snapshot/current";
import { NONE, SnapshotView } from "../../snapshot/view";
import { count, RESPONSE_FOUND, RESPONSE_UNKNOWN } from "../../stats";
import { findResponse, ResponseRecord } from "../../workers/response-owners";
import { changeHeader } from "../headers/changes";
import { DESTINATION, POST } from "../headers/header-names";
import { HEAD_PATH, headLength, headPointer, isMethod, readHead } from "../headers/request-head";
import { idHash } from "../response-id";
import { Root } from "../root";
import { findAsked, giveBackAsked, wasInHeader } from "./asked-name";
import { setBaseModel } from "./base-model";

const collection = bytesOf("/v1/responses");
const cancel = bytesOf("/cancel");

/** Call after readHead(). Returns whether the request creates a response, so that the HTTP response has a new id. */
export function isCreation(): bool {
  const length = pathLength(headPointer(HEAD_PATH), headLength(HEAD_PATH));
  return bytesEqual(headPointer(HEAD_PATH), length, collection.pointer, collection.length) && isMethod(POST);
}

/**
 * Call after readHead(). Sends a request whose path has a response's id to the response's owner. Returns false when the path has no
 * such id, or when the owner is not known.
 */
export function routeById(id: u32, root: Root): bool {
  const length = pathLength(headPointer(HEAD_PATH), headLength(HEAD_PATH));
  const from = collection.length + 1;
  const path = headPointer(HEAD_PATH);
  if (length <= from || !startsWith(path, length, collection.pointer, collection.length)) return false;
  if (load<u8>(path + collection.length) != 0x2f) return false;
  let end = from;
  while (end < length && load<u8>(path + end) != 0x2f) end++;
  // Servers read the bodies of POSTs on other paths, so the filter must read these bodies too.
  if (isMethod(POST) && !bytesEqual(path + end, length - end, cancel.pointer, cancel.length)) return false;
  const response = findResponse(idHash(path + from, end - from));
  const entry: Entry | null = response === null || !hasSnapshot() ? null : findEntry(response.owner);
  if (response === null || entry === null || entry.endpoint == NONE) {
    count(RESPONSE_UNKNOWN);
    // findResponse() overwrote the head with a shared value.
    readHead(root.config.pick.session.header);
    return false;
  }
  const view = current();
  count(RESPONSE_FOUND);
  for (let i: u32 = 0; i < view.modelCount; i++) {
    if (textHash(view.modelName(i), view.modelNameLength(i)) != response.model) continue;
    nameModel(id, root, entry, view, i, response);
    break;
  }
  if (!root.config.pick.dryRun)
    changeHeader(DESTINATION, view.address(entry.endpoint), view.addressLength(entry.endpoint));
  return true;
}

/**
 * Writes the headers that routes match, with the values that they had when the response was created. The HTTP response gets the
 * name that the client asked for then.
 */
function nameModel(id: u32, root: Root, entry: Entry, view: SnapshotView, served: u32, response: ResponseRecord): void {
  const config = root.config;
  const name = view.modelName(served);
  const length = view.modelNameLength(served);
  const header = unchecked(config.body.fields[0]).header;
  const asked = findAsked(config, view, response.asked);
  if (header.length > 0) {
    if (asked !== null && wasInHeader(response.asked)) changeHeader(header, asked.name, asked.length);
    else changeHeader(header, name, length);
  }
  setBaseModel(config, served, name, length);
  if (asked !== null) giveBackAsked(id, root, entry, asked, name, length);
}

/** Returns the snapshot's index of the owner of the response with this id; NONE: the owner is not known or not usable. */
export function ownerOf(id: usize, length: u32): u32 {
  const response = findResponse(idHash(id, length));
  const entry: Entry | null = response === null ? null : findEntry(response.owner);
  if (entry === null || entry.endpoint == NONE || !current().usable(entry.endpoint)) {
    count(RESPONSE_UNKNOWN);
    return NONE;
  }
  count(RESPONSE_FOUND);
  return entry.endpoint;
}
