// Refuses requests. Each refusal has a stable code, a counter, and a sentence with what the client can do.
// docs/reference/refusals.md lists the refusals.
import { MAX_MODEL_NAME_BYTES } from "../../../protocol/constants";
import { Bytes } from "../../base/bytes";
import { Writer } from "../../base/writer";
import { HEADERS_STOP } from "../../host/calls";
import { VALUE_STRING, VALUE_TOO_LONG } from "../../scan/json/fields";
import { jsonErrorOffset, jsonStatus } from "../../scan/json/json";
import { errorSentence } from "../../scan/json/json-errors";
import { multipartErrorOffset, multipartSentence, multipartStatus } from "../../scan/multipart/multipart";
import {
  count,
  INVALID_BODY,
  INVALID_FIELD,
  INVALID_MODEL,
  MODEL_REJECTED,
  MODEL_REQUIRED,
  TOO_LARGE,
  UNSUPPORTED_TYPE,
} from "../../stats";
import { beginError, sendError } from "../local-reply";
import { Stream, stateOf } from "../streams";

export function refuseBody(stream: Stream): i32 {
  const state = stateOf(stream);
  const writer = begin(INVALID_BODY, "The body is not what a model server reads: ");
  writer.raw(errorSentence(-jsonStatus(state)));
  writer.raw(" (at byte ");
  writer.number(jsonErrorOffset(state));
  writer.raw("). Send one JSON object in UTF-8.");
  sendError(writer, 400, "", "invalid_json");
  return HEADERS_STOP;
}

export function refuseMultipart(stream: Stream): i32 {
  const writer = begin(INVALID_BODY, "The multipart/form-data body cannot be read: ");
  writer.raw(multipartSentence(-multipartStatus(stateOf(stream))));
  writer.raw(" (at byte ");
  writer.number(multipartErrorOffset(stateOf(stream)));
  writer.raw("). Let a client library write form and content type.");
  sendError(writer, 400, "", "invalid_multipart");
  return HEADERS_STOP;
}

export function refuseEncoded(): i32 {
  const writer = begin(UNSUPPORTED_TYPE, "The body is compressed and cannot be read here. Send it without ");
  writer.raw("content-encoding, or have the gateway put Envoy's decompressor filter ");
  writer.raw("(envoy.filters.http.decompressor) in front of this one.");
  sendError(writer, 415, "", "unsupported_content_encoding");
  return HEADERS_STOP;
}

export function refuseType(): i32 {
  const writer = begin(UNSUPPORTED_TYPE, "The content type is not served here. Send application/json or ");
  writer.raw("multipart/form-data.");
  sendError(writer, 415, "", "unsupported_content_type");
  return HEADERS_STOP;
}

export function refuseLength(limit: u32): i32 {
  const writer = begin(TOO_LARGE, "The body is larger than this gateway takes, ");
  writer.number(limit);
  writer.raw(" bytes. Send a smaller body.");
  sendError(writer, 413, "", "request_too_large");
  return HEADERS_STOP;
}

export function refuseRewrite(limit: u32): i32 {
  const writer = begin(
    TOO_LARGE,
    "The gateway replaces the model's name in this body, and the body is larger than it takes for that, ",
  );
  writer.number(limit);
  writer.raw(" bytes. Send a smaller body, or name the served model itself.");
  sendError(writer, 413, "", "request_too_large");
  return HEADERS_STOP;
}

export function refusePath(): i32 {
  const writer = begin(INVALID_MODEL, "The path names no model: a name of 1 to ");
  writer.number(MAX_MODEL_NAME_BYTES);
  writer.raw(" bytes of UTF-8 is expected in it, percent-encoded.");
  sendError(writer, 400, "model", "invalid_model");
  return HEADERS_STOP;
}

/** `kind` is the VALUE_... of scan/json/fields.ts that the scanner found for the field `model`. */
export function refuseModel(kind: u32): i32 {
  const writer = begin(INVALID_MODEL, "`model` ");
  explain(writer, kind, true);
  sendError(writer, 400, "model", "invalid_model");
  return HEADERS_STOP;
}

export function refuseField(name: Bytes, kind: u32): i32 {
  const writer = begin(INVALID_FIELD, "The field `");
  writer.escaped(name.pointer, name.length);
  writer.raw("`, which this gateway writes into a header, ");
  explain(writer, kind, false);
  sendError(writer, 400, "", "invalid_field");
  return HEADERS_STOP;
}

export function refuseMissing(): i32 {
  const writer = begin(
    MODEL_REQUIRED,
    "The body names no model. Add the top-level field `model`, a string; in a form a part of this name.",
  );
  sendError(writer, 400, "model", "model_required");
  return HEADERS_STOP;
}

export function refuseUnknown(name: usize, length: u32): i32 {
  const writer = begin(MODEL_REJECTED, "The model `");
  writer.escaped(name, length);
  writer.raw("` does not exist. GET /v1/models lists the models that do.");
  sendError(writer, 404, "model", "model_not_found");
  return HEADERS_STOP;
}

function begin(counter: u32, text: string): Writer {
  count(counter);
  const writer = beginError();
  writer.raw(text);
  return writer;
}

function explain(writer: Writer, kind: u32, mustBeString: bool): void {
  if (kind == VALUE_TOO_LONG) {
    writer.raw("is longer than ");
    writer.number(MAX_MODEL_NAME_BYTES);
    writer.raw(" bytes. Send a shorter value.");
  } else if (kind == VALUE_STRING) {
    writer.raw("has control characters or a blank at an end, which no header can carry. Leave them out.");
  } else if (mustBeString) writer.raw("must be a string of well-formed Unicode.");
  else writer.raw("is not well-formed Unicode.");
}
