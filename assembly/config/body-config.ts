// The sections `body` and `plugins` as the filter uses them: the scanner's table of fields, and the header of each field.
import { BASE_MODEL_HEADER, MAX_MODEL_NAME_BYTES, MODEL_HEADER } from "../../protocol/constants";
import { Bytes, bytesOf } from "../base/bytes";
import { FIELD_HASHED, FIELDS_BYTES, fieldsAdd, fieldsInit, REJECT_DUPLICATES } from "../scan/json/fields";
import { Plugins } from "./body-based-router";
import { BodySettings } from "./generated/body-settings";
import { Problems } from "./problems";
import { Section } from "./section";

/** Fields that the configuration may write into headers. The scanner has twenty fields, and the filter needs the others itself. */
const MAX_HEADERS: i32 = 12;

/** A top-level field and the header that gets its value. */
class Field {
  name: string;
  bytes: Bytes;
  /** Length 0: the field is read for the pick, and no header is written. */
  header: Bytes;
  constructor(name: string, header: Bytes) {
    this.name = name;
    this.bytes = bytesOf(name);
    this.header = header;
  }
}

export class BodyConfig extends BodySettings {
  /** `model` is always field 0. */
  fields: Field[] = [];
  /** Length 0: the base model's header is not written. */
  baseModelHeader: Bytes = bytesOf(BASE_MODEL_HEADER);
  /** The scanner's table: `fields` first, then the fields that only the pick needs. */
  table: usize = 0;
  /** Index of cache_salt in the table; -1: prompts are not hashed. */
  saltField: i32 = -1;
  /** Index of `stream` in the table. Valid if saltField is. */
  streamField: i32 = -1;
  /** Index of `previous_response_id` in the table; -1: the field is not read. */
  responseField: i32 = -1;

  constructor(section: Section) {
    super(section);
  }
}

/** Top-level fields that make up the prompt. The pick depends on how much of the prompt an endpoint has cached. */
const PROMPT_FIELDS: string[] = ["messages", "prompt", "input"];

/**
 * Call after the last key was read. Sets the headers of the fields, and makes the scanner's table. `hashed`: the pick needs the
 * prompt's hashes. `responses`: the filter reads `previous_response_id`.
 */
export function finishBody(
  problems: Problems,
  config: BodyConfig,
  plugins: Plugins | null,
  hashed: bool,
  responses: bool,
): void {
  config.fields.push(new Field("model", bytesOf(plugins === null ? MODEL_HEADER : "")));
  if (plugins !== null) {
    if (!plugins.baseModel) config.baseModelHeader = bytesOf("");
    for (let i = 0; i < plugins.fields.length; i++)
      setHeader(problems, config, plugins.fields[i].fieldName, plugins.fields[i].headerName, "plugins");
  }
  for (let i = 0; i < config.givenFields.length; i++)
    setHeader(problems, config, config.givenFields[i].field, config.givenFields[i].header, "body.fields");
  config.table = heap.alloc(FIELDS_BYTES);
  fieldsInit(config.table, config.maxDepth, config.rejectDuplicates ? REJECT_DUPLICATES : 0);
  for (let i = 0; i < config.fields.length; i++) {
    const isPrompt = hashed && PROMPT_FIELDS.includes(config.fields[i].name);
    addToTable(config.table, config.fields[i].name, MAX_MODEL_NAME_BYTES, isPrompt ? FIELD_HASHED : 0);
  }
  if (responses) config.responseField = addToTable(config.table, "previous_response_id", 128, 0);
  if (!hashed) return;
  for (let i = 0; i < PROMPT_FIELDS.length; i++) addToTable(config.table, PROMPT_FIELDS[i], 0, FIELD_HASHED);
  config.saltField = addToTable(config.table, "cache_salt", MAX_MODEL_NAME_BYTES, 0);
  config.streamField = addToTable(config.table, "stream", 8, 0);
}

/** Sets the header of a field. If a field is given several times, its last header counts. */
function setHeader(problems: Problems, config: BodyConfig, name: string, header: string, key: string): void {
  for (let i = 0; i < config.fields.length; i++) {
    if (config.fields[i].name != name) continue;
    config.fields[i].header = bytesOf(header);
    return;
  }
  if (config.fields.length >= MAX_HEADERS) problems.add(`${key}: more than ${MAX_HEADERS} fields given`);
  else config.fields.push(new Field(name, bytesOf(header)));
}

function addToTable(table: usize, name: string, capacity: u32, flags: u32): i32 {
  const bytes = bytesOf(name);
  return fieldsAdd(table, bytes.pointer, bytes.length, capacity, flags);
}
