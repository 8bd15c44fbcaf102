// The part `body` of the configuration, and `plugins`, which is the body-based router's own (Gateway API Inference
// Extension): flags or chart values of BBR are taken as they are.
//
//   body.fields          [{field: model, header: x-gateway-model-name}]   top-level fields of JSON and their headers; of a form, `model` only
//   body.duplicateKeys   last      last: the last one counts, as for the server; reject: 400
//   body.maxDepth        512       deeper nesting is refused with 400, 1...1024
//   body.maxBytes        none      larger bodies are refused with 413
//   body.requireModel    false     400 for a body without a model
//   body.otherTypes      pass      pass or reject (415): content types that are neither JSON nor multipart/form-data
//   body.maxRewriteBytes 4194304   a body that must be rewritten may be this large (413), because it is copied whole
//   plugins              none      [{type, name, json}] or "type:name:json"; body-field-to-header, base-model-to-header
import { JSON } from "json-as";
import { BASE_MODEL_HEADER, MAX_MODEL_NAME_BYTES, MODEL_HEADER } from "../../protocol/constants";
import { Bytes, bytesOf } from "../base/bytes";
import { MAX_LARGE } from "../host/memory";
import { syntaxError } from "../scan/json/document";
import {
  FIELD_HASHED,
  FIELDS_BYTES,
  fieldsAdd,
  fieldsInit,
  MAX_FIELD_NAME_BYTES,
  REJECT_DUPLICATES,
} from "../scan/json/fields";
import { MAX_DEPTH } from "../scan/json/state";
import {
  fail,
  failKey,
  isString,
  readArray,
  readBoolean,
  readChoice,
  readHeaderName,
  readInteger,
  readObject,
  report,
} from "./values";

/** Room that a rewritten model name may take beyond the body itself. */
const REWRITE_ROOM: u32 = 1024;

/** Of the scanner's twenty fields, those that the filter does not need itself. */
const MOST_HEADERS: i32 = 12;

/** A top-level field and the header that gets its value. `model` is always field 0. */
export class Field {
  name: string;
  bytes: Bytes;
  header: Bytes;
  constructor(name: string, header: Bytes) {
    this.name = name;
    this.bytes = bytesOf(name);
    this.header = header;
  }
}

export class BodyConfig {
  /** Length 0 in a header: read for the pick, not written. */
  fields: Field[] = [new Field("model", bytesOf(MODEL_HEADER))];
  baseModelHeader: Bytes = bytesOf(BASE_MODEL_HEADER);
  rejectDuplicates: bool = false;
  maxDepth: u32 = 512;
  maxBytes: u32 = 0xffffffff;
  requireModel: bool = false;
  rejectOtherTypes: bool = false;
  maxRewriteBytes: u32 = 4194304;
  /** The scanner's table of `fields`. */
  table: usize = 0;
  /** Place of cache_salt in the table; -1: prompts are not hashed. */
  saltField: i32 = -1;
  /** Place of `stream`, with saltField. */
  streamField: i32 = -1;
  /** Place of `previous_response_id`. */
  responseField: i32 = -1;
}

export function readBody(config: BodyConfig, value: JSON.Value): void {
  const body = readObject("body", value);
  const keys = body.keys();
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const name = `body.${key}`;
    const given = body.get(key)!;
    if (key == "fields") readFields(config, name, given);
    else if (key == "duplicateKeys") config.rejectDuplicates = readChoice(name, given, ["last", "reject"]) == 1;
    else if (key == "maxDepth") config.maxDepth = readInteger(name, given, 1, MAX_DEPTH);
    else if (key == "maxBytes") config.maxBytes = readInteger(name, given, 1, 0xfffffffe);
    else if (key == "requireModel") config.requireModel = readBoolean(name, given);
    else if (key == "otherTypes") config.rejectOtherTypes = readChoice(name, given, ["pass", "reject"]) == 1;
    else if (key == "maxRewriteBytes")
      config.maxRewriteBytes = readInteger(name, given, 1024, MAX_LARGE - REWRITE_ROOM);
    else failKey(name, "fields, duplicateKeys, maxDepth, maxBytes, requireModel, otherTypes, maxRewriteBytes");
  }
}

function readFields(config: BodyConfig, key: string, value: JSON.Value): void {
  const list = readArray(key, value);
  for (let i = 0; i < list.length; i++) {
    const entry = readObject(`${key}[${i}]`, list.at(i));
    readField(config, `${key}[${i}]`, entry, "field", "header");
  }
}

function readField(config: BodyConfig, key: string, entry: JSON.Obj, nameKey: string, headerKey: string): void {
  const keys = entry.keys();
  for (let i = 0; i < keys.length; i++) {
    if (keys[i] != nameKey && keys[i] != headerKey) failKey(`${key}.${keys[i]}`, `${nameKey}, ${headerKey}`);
  }
  const name = entry.get(nameKey);
  const header = entry.get(headerKey);
  if (name === null || !isString(name) || !name.get<string>().length)
    return report(`${key}.${nameKey}: the name of a top-level field is expected`);
  if (header === null) return report(`${key}.${headerKey}: missing, the name of a header is expected`);
  const field = name.get<string>();
  if (String.UTF8.byteLength(field) > <i32>MAX_FIELD_NAME_BYTES)
    return fail(`${key}.${nameKey}`, name, `at most ${MAX_FIELD_NAME_BYTES} bytes`);
  const bytes = bytesOf(readHeaderName(`${key}.${headerKey}`, header));
  for (let i = 0; i < config.fields.length; i++) {
    if (config.fields[i].name != field) continue;
    config.fields[i].header = bytes;
    return;
  }
  if (config.fields.length >= MOST_HEADERS) return report(`${key}: more than ${MOST_HEADERS} fields given`);
  config.fields.push(new Field(field, bytes));
}

/** BBR replaces its default plugins by the given ones: so does this. */
export function readPlugins(config: BodyConfig, value: JSON.Value): void {
  const list = readArray("plugins", value);
  config.fields[0].header = bytesOf("");
  config.baseModelHeader = bytesOf("");
  for (let i = 0; i < list.length; i++) {
    const key = `plugins[${i}]`;
    if (isString(list.at(i))) {
      readPluginFlag(config, key, list.at(i));
      continue;
    }
    const plugin = readObject(key, list.at(i));
    const keys = plugin.keys();
    for (let k = 0; k < keys.length; k++) {
      if (keys[k] != "type" && keys[k] != "name" && keys[k] != "json") failKey(`${key}.${keys[k]}`, "type, name, json");
    }
    const type = plugin.get("type");
    if (type === null || !isString(type)) return report(`${key}.type: the type of a plugin is expected`);
    const json = plugin.get("json");
    usePlugin(config, key, type.get<string>(), json === null ? null : readObject(`${key}.json`, json));
  }
}

/** "type:name" or "type:name:json", BBR's --plugin. */
function readPluginFlag(config: BodyConfig, key: string, value: JSON.Value): void {
  const flag = value.get<string>();
  const first = flag.indexOf(":");
  const second = first < 0 ? -1 : flag.indexOf(":", first + 1);
  const type = first < 0 ? flag : flag.substring(0, first);
  if (second < 0) return usePlugin(config, key, type, null);
  const json = flag.substring(second + 1);
  if (json.length < 2 || json.charAt(0) != "{" || json.charAt(json.length - 1) != "}")
    return fail(key, value, '"type:name:{...}"');
  const problem = syntaxError(json);
  if (problem.length) return report(`${key}: ${problem}`);
  usePlugin(config, key, type, JSON.parse<JSON.Obj>(json));
}

function usePlugin(config: BodyConfig, key: string, type: string, json: JSON.Obj | null): void {
  if (type == "base-model-to-header") {
    config.baseModelHeader = bytesOf(BASE_MODEL_HEADER);
  } else if (type == "body-field-to-header") {
    if (json === null) return report(`${key}.json: missing, {fieldName, headerName} is expected`);
    const old = json.get("field_name") !== null || json.get("header_name") !== null;
    readField(config, `${key}.json`, json, old ? "field_name" : "fieldName", old ? "header_name" : "headerName");
  } else report(`${key}.type: ${type} given, body-field-to-header or base-model-to-header is expected`);
}

/** Top-level fields that make the prompt: what of it an endpoint has cached decides the pick. */
const PROMPT_FIELDS: string[] = ["messages", "prompt", "input"];

/** After the last read: builds the scanner's table. `hashed`: the prompt is hashed; `responses`: the Responses API is read. */
export function finishBody(config: BodyConfig, hashed: bool, responses: bool): void {
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

function addToTable(table: usize, name: string, capacity: u32, flags: u32): i32 {
  const bytes = bytesOf(name);
  return fieldsAdd(table, bytes.pointer, bytes.length, capacity, flags);
}
