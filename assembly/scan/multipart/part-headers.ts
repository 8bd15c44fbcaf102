// Reads the header lines of a part, and the content type of the request.
//
//   line = 1*token ":" blanks value blanks CR LF
//
// Folded lines, a blank before the colon, and a bare CR or LF are refused. A part must have exactly one Content-Disposition, which
// must be form-data with exactly one name. All other headers are allowed. A transfer encoding or charset matters only for the part
// named model.
import {
  MULTIPART_BOUNDARY,
  MULTIPART_CHARSET,
  MULTIPART_DISPOSITION,
  MULTIPART_HEADER,
  MULTIPART_MODEL_ENCODED,
  MULTIPART_MODEL_FILE,
  MULTIPART_NO_DISPOSITION,
  MULTIPART_TYPE,
} from "./form-errors";
import {
  FormState,
  MAX_BOUNDARY_BYTES,
  PART_ASCII,
  PART_DISPOSITION,
  PART_ENCODED,
  PART_FILE,
  PART_MODEL,
} from "./form-state";
import { isToken, isWord, Parameters, parametersOf, skipBlanks, startsWith, typeEnd } from "./parameters";

const BACKSLASH = 0x5c;
const COLON = 0x3a;
const HYPHEN = 0x2d;
const SPACE: u32 = 0x20;
const MODEL = "model";

/** Reads the request's content type and writes the delimiter into the state. Returns an error code, or 0. */
export function readContentType(state: FormState, p: usize, end: usize): i32 {
  p = skipBlanks(p, end);
  const stop = typeEnd(p, end);
  if (!isWord(p, stop, "multipart/form-data")) return MULTIPART_TYPE;
  let length: u32 = 0;
  const parameters = parametersOf(stop, end);
  while (parameters.next()) {
    if (startsWith(parameters.key, parameters.keyEnd, "boundary")) {
      // "boundary*" and "boundary*0" are refused as well: some parsers use them as the boundary.
      if (!parameters.keyIs("boundary") || length != 0) return MULTIPART_BOUNDARY;
      length = readBoundary(parameters, state.delimiter + 2);
      if (length == 0) return MULTIPART_BOUNDARY;
    } else if (startsWith(parameters.key, parameters.keyEnd, "charset")) {
      if (!parameters.keyIs("charset") || !(parameters.valueIs("utf-8") || parameters.valueIs("utf8"))) {
        return MULTIPART_CHARSET;
      }
    }
  }
  if (parameters.malformed) return MULTIPART_TYPE;
  if (length == 0) return MULTIPART_BOUNDARY;
  store<u8>(state.delimiter, HYPHEN);
  store<u8>(state.delimiter, HYPHEN, 1);
  state.delimiterLength = length + 2;
  return 0;
}

/** Writes the parameter's value without its escapes. Returns the length; 0 if the value cannot be a boundary. */
function readBoundary(parameters: Parameters, to: usize): u32 {
  if (parameters.stray) return 0;
  let length: u32 = 0;
  for (let p = parameters.value; p < parameters.valueEnd; p++) {
    // No backslash is stray, so every backslash escapes a quote or a backslash.
    if (load<u8>(p) == BACKSLASH) p++;
    const c = load<u8>(p);
    if (c < SPACE || c > 0x7e || length == MAX_BOUNDARY_BYTES) return 0;
    store<u8>(to + length, c);
    length++;
  }
  // Parsers differ on whether blanks at the end are padding.
  return length != 0 && load<u8>(to + length - 1) == SPACE ? 0 : length;
}

/** Reads one header line, without its CR LF, and sets flags of the open part. Returns an error code, or 0. */
export function readHeader(state: FormState, line: usize, end: usize): i32 {
  let p = line;
  while (p < end && isToken(load<u8>(p))) p++;
  if (p == line || p == end || load<u8>(p) != COLON) return MULTIPART_HEADER;
  const value = skipBlanks(p + 1, end);
  if (isWord(line, p, "content-disposition")) return readDisposition(state, value, end);
  if (isWord(line, p, "content-transfer-encoding")) {
    const stop = typeEnd(value, end);
    const plain = isWord(value, stop, "8bit") || isWord(value, stop, "7bit") || isWord(value, stop, "binary");
    if (!plain) flag(state, PART_ENCODED);
  } else if (isWord(line, p, "content-type")) {
    flag(state, textFlags(value, end));
  }
  return 0;
}

/** Checks the header lines of the open part at the blank line behind them. Returns an error code, or 0. */
export function closeHeaders(state: FormState): i32 {
  const part = state.part;
  if ((part & PART_DISPOSITION) == 0) return MULTIPART_NO_DISPOSITION;
  if ((part & PART_MODEL) == 0) return 0;
  if (part & PART_FILE) return MULTIPART_MODEL_FILE;
  return part & PART_ENCODED ? MULTIPART_MODEL_ENCODED : 0;
}

function readDisposition(state: FormState, value: usize, end: usize): i32 {
  if (state.part & PART_DISPOSITION) return MULTIPART_DISPOSITION;
  flag(state, PART_DISPOSITION);
  const stop = typeEnd(value, end);
  if (!isWord(value, stop, "form-data")) return MULTIPART_DISPOSITION;
  let named = false;
  const parameters = parametersOf(stop, end);
  while (parameters.next()) {
    if (parameters.keyIs("name")) {
      if (named || parameters.stray) return MULTIPART_DISPOSITION;
      named = true;
      // An escape is a quote or a backslash, so a name with an escape is never "model".
      const length = <usize>MODEL.length;
      if (parameters.valueEnd - parameters.value == length && sameCase(parameters.value, MODEL))
        flag(state, PART_MODEL);
    } else if (startsWith(parameters.key, parameters.keyEnd, "name*")) {
      return MULTIPART_DISPOSITION;
    } else if (parameters.keyIs("filename")) {
      flag(state, PART_FILE);
    } else if (startsWith(parameters.key, parameters.keyEnd, "filename*")) {
      // Some servers treat the part as a file, others as a field.
      flag(state, PART_ENCODED);
    }
  }
  return parameters.malformed || !named ? MULTIPART_DISPOSITION : 0;
}

/** PART_ flags of a part's content type. ISO-8859-1 is accepted, because Apache's HttpClient declares texts so by default. */
function textFlags(value: usize, end: usize): u32 {
  const stop = typeEnd(value, end);
  if (startsWith(value, stop, "multipart/")) return PART_ENCODED;
  let flags: u32 = 0;
  const parameters = parametersOf(stop, end);
  while (parameters.next()) {
    if (!startsWith(parameters.key, parameters.keyEnd, "charset")) continue;
    if (!parameters.keyIs("charset")) return PART_ENCODED;
    if (parameters.valueIs("us-ascii") || parameters.valueIs("iso-8859-1")) flags = PART_ASCII;
    else if (!parameters.valueIs("utf-8") && !parameters.valueIs("utf8")) return PART_ENCODED;
  }
  return parameters.malformed ? PART_ENCODED : flags;
}

function sameCase(p: usize, word: string): bool {
  for (let i = 0; i < word.length; i++) {
    if (<u16>load<u8>(p + i) != load<u16>(changetype<usize>(word) + ((<usize>i) << 1))) return false;
  }
  return true;
}

function flag(state: FormState, bit: u32): void {
  state.part = state.part | bit;
}
