// Checks a configuration's syntax with the body scanner, so that json-as parses valid JSON only.
import { SLACK_BYTES } from "../block";
import { FIELDS_BYTES, fieldsInit, fieldsStateBytes } from "./fields";
import { jsonErrorOffset, jsonFeed, jsonInit, jsonStatus } from "./json";
import { errorSentence } from "./json-errors";

/** Returns an empty text if `text` is a JSON object; else a text that says what is wrong, and at which byte. */
export function syntaxError(text: string): string {
  const encoded = String.UTF8.encode(text);
  const length = <u32>encoded.byteLength;
  const room = heap.alloc(<usize>length + 2 * SLACK_BYTES);
  memory.copy(room + SLACK_BYTES, changetype<usize>(encoded), length);
  const table = heap.alloc(FIELDS_BYTES);
  fieldsInit(table, 0, 0);
  const state = heap.alloc(fieldsStateBytes(table));
  jsonInit(state, table);
  jsonFeed(state, room + SLACK_BYTES, length, true);
  const status = jsonStatus(state);
  let problem = "";
  if (status < 0) problem = `${errorSentence(-status)}, at byte ${jsonErrorOffset(state)}`;
  heap.free(state);
  heap.free(table);
  heap.free(room);
  return problem;
}
