// What a part's header lines and the request's content type say.
//
//   line = 1*token ":" blanks value blanks CR LF
//
// No folded lines, no blank before the colon, no bare CR or LF. Exactly one Content-Disposition, form-data, with exactly
// one name; all other headers pass. A transfer encoding or charset counts only on the part named model.
import {
  MULTIPART_BOUNDARY,
  MULTIPART_CHARSET,
  MULTIPART_DISPOSITION,
  MULTIPART_HEADER,
  MULTIPART_MODEL_ENCODED,
  MULTIPART_MODEL_FILE,
  MULTIPART_NO_DISPOSITION,
  MULTIPART_TYPE,
} from "./errors";
import { isToken, isWord, Parameters, parametersOf, skipBlanks, startsWith, typeEnd } from "./parameters";
import {
  FormState,
  MAX_BOUNDARY_BYTES,
  PART_ASCII,
  PART_DISPOSITION,
  PART_ENCODED,
  PART_FILE,
  PART_MODEL,
} from "./state";

const BACKSLASH = 0x5c;
const COLON = 0x3a;
const HYPHEN = 0x2d;
const SPACE: u32 = 0x20;
const MODEL = "model";

/** Writes the delimiter into the state; an error's code, 0 where the content type is good. */
export function readContentType(state: FormState, p: usize, end: usize): i32 {
  p = skipBlanks(p, end);
  const stop = typeEnd(p, end);
  if (!isWord(p, stop, "multipart/form-data")) return MULTIPART_TYPE;
  let length: u32 = 0;
  const parameters = parametersOf(stop, end);
  while (parameters.next()) {
    if (startsWith(parameters.key, parameters.keyEnd, "boundary")) {
      // Also "boundary*" and "boundary*0": some parsers take them for the boundary.
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

/** Writes the parameter's value without its escapes. Its length; 0 if it cannot be a boundary. */
function readBoundary(parameters: Parameters, to: usize): u32 {
  if (parameters.stray) return 0;
  let length: u32 = 0;
  for (let p = parameters.value; p < parameters.valueEnd; p++) {
    // Each backslash here escapes a quote or a backslash.
    if (load<u8>(p) == BACKSLASH) p++;
    const c = load<u8>(p);
    if (c < SPACE || c > 0x7e || length == MAX_BOUNDARY_BYTES) return 0;
    store<u8>(to + length, c);
    length++;
  }
  // Blanks at the end would be taken for padding.
  return length != 0 && load<u8>(to + length - 1) == SPACE ? 0 : length;
}

/** Reads one header line, its CR LF left out, into the open part's flags; an error's code or 0. */
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

/** What the header lines said, at the blank line; an error's code or 0. */
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
      // Escapes make quotes and backslashes, so a name with one is never this one.
      const length = <usize>MODEL.length;
      if (parameters.valueEnd - parameters.value == length && sameCase(parameters.value, MODEL))
        flag(state, PART_MODEL);
    } else if (startsWith(parameters.key, parameters.keyEnd, "name*")) {
      return MULTIPART_DISPOSITION;
    } else if (parameters.keyIs("filename")) {
      flag(state, PART_FILE);
    } else if (startsWith(parameters.key, parameters.keyEnd, "filename*")) {
      // A file to some servers, a field to others.
      flag(state, PART_ENCODED);
    }
  }
  return parameters.malformed || !named ? MULTIPART_DISPOSITION : 0;
}

/** What a content type makes of a part. Apache's HttpClient says ISO-8859-1 of a text where it is told nothing else. */
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
