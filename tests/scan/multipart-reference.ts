// A second, simple implementation of the form scanner. It reads the whole body as one Latin-1 string, with regular expressions.
// It shares only the meaning of codes and kinds with assembly/scan, which are an interface. multipart-python.test.ts compares this
// implementation with Starlette and python-multipart if these are installed.
import { type Form, refused } from "../../testkit/scan/multipart-scanner.ts";

const TYPE = 1;
const BOUNDARY = 2;
const CHARSET = 3;
const PREAMBLE = 4;
const DELIMITER = 5;
const BARE = 6;
const END = 7;
const HEADER = 8;
const HEADERS_TOO_LONG = 9;
const PARTS = 10;
const DISPOSITION = 11;
const NO_DISPOSITION = 12;
const MODEL_FILE = 13;
const MODEL_ENCODED = 14;

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const PARAMETER = new RegExp(
  `[ \\t]*;[ \\t]*(?:(${TOKEN})=(?:"((?:[^"\\\\\\x00-\\x08\\x0a-\\x1f\\x7f]|\\\\["\\\\]|\\\\(?!["\\\\]))*)"|([^\\x00- "\\\\;,\\x7f]+))` +
    "|(?=[ \\t]*(?:;|$)))",
  "y",
);

interface Parameter {
  key: string;
  raw: string;
}

/** The type in lower case, and the parameters; null if the parameters are malformed. */
function options(value: string): { type: string; parameters: Parameter[] | null } {
  const semicolon = value.indexOf(";");
  const type = trim(semicolon < 0 ? value : value.slice(0, semicolon)).toLowerCase();
  const parameters: Parameter[] = [];
  let at = semicolon < 0 ? value.length : semicolon;
  while (trim(value.slice(at)) !== "") {
    PARAMETER.lastIndex = at;
    const found = PARAMETER.exec(value);
    if (found === null) return { type, parameters: null };
    at += found[0].length;
    const raw = found[2] ?? found[3] ?? "";
    const pairs: string[] = raw.match(/\\["\\]/g) ?? [];
    if (found[2] !== undefined && /(^|[^\\])(\\\\)+$/.test(raw)) return { type, parameters: null };
    if (pairs.includes('\\"') && raw.includes(";")) return { type, parameters: null };
    if (found[1] !== undefined) parameters.push({ key: found[1].toLowerCase(), raw });
  }
  return { type, parameters };
}

const trim = (text: string) => text.replace(/^[ \t]+|[ \t]+$/g, "");
/** The value without its escapes; null if a backslash escapes neither a quote nor a backslash. */
const unescaped = (raw: string) =>
  /\\/.test(raw.replace(/\\["\\]/g, "")) ? null : raw.replace(/\\(["\\])/g, (_, character: string) => character);
const isUtf8 = (parameter: Parameter) => parameter.key === "charset" && /^utf-?8$/i.test(parameter.raw);
const isAscii = (parameter: Parameter) => parameter.key === "charset" && /^(us-ascii|iso-8859-1)$/i.test(parameter.raw);

function boundaryOf(contentType: string): string | number {
  const { type, parameters } = options(contentType);
  if (type !== "multipart/form-data") return TYPE;
  if (parameters === null) return TYPE;
  let boundary: string | null = null;
  for (const parameter of parameters) {
    if (parameter.key.startsWith("boundary")) {
      const text = unescaped(parameter.raw);
      if (parameter.key !== "boundary" || boundary !== null || text === null) return BOUNDARY;
      if (!/^[ -~]{0,199}[!-~]$/.test(text)) return BOUNDARY;
      boundary = text;
    } else if (parameter.key.startsWith("charset") && !isUtf8(parameter)) return CHARSET;
  }
  return boundary ?? BOUNDARY;
}

interface Part {
  model: boolean;
  file: boolean;
  encoded: boolean;
  /** Whether the part's charset agrees with UTF-8 on ASCII only. */
  ascii: boolean;
  disposition: boolean;
}

function readHeader(line: string, part: Part): number {
  const found = new RegExp(`^(${TOKEN}):[ \\t]*(.*)$`, "s").exec(line);
  if (found === null) return HEADER;
  const name = (found[1] as string).toLowerCase();
  const { type, parameters } = options(found[2] as string);
  if (name === "content-disposition") {
    if (part.disposition || type !== "form-data" || parameters === null) return DISPOSITION;
    part.disposition = true;
    const names = parameters.filter(({ key }) => key === "name");
    const extended = parameters.some(({ key }) => key.startsWith("name*"));
    if (names.length !== 1 || extended || unescaped(names[0]?.raw ?? "") === null) return DISPOSITION;
    part.model = names[0]?.raw === "model";
    part.file = parameters.some(({ key }) => key === "filename");
    if (parameters.some(({ key }) => key.startsWith("filename*"))) part.encoded = true;
  } else if (name === "content-transfer-encoding") {
    if (!["7bit", "8bit", "binary"].includes(type)) part.encoded = true;
  } else if (name === "content-type") {
    const charsets = parameters?.filter(({ key }) => key.startsWith("charset"));
    const good = charsets?.every((parameter) => isUtf8(parameter) || isAscii(parameter));
    if (good !== true || type.startsWith("multipart/")) part.encoded = true;
    else if (charsets?.some(isAscii)) part.ascii = true;
  }
  return 0;
}

export function reference(contentType: string, bytes: Uint8Array): Form {
  const boundary = boundaryOf(contentType);
  if (typeof boundary === "number") return refused(boundary, 0);
  const body = Buffer.from(bytes).toString("latin1");
  const delimiter = `--${boundary}`;
  const form: Form = { code: 0, offset: 0, kind: 0, value: "", start: 0, end: 0, first: 0 };

  const first = body.indexOf(delimiter);
  let stop = first;
  if (first < 0) {
    stop = Math.max(0, body.length - delimiter.length);
    while (!delimiter.startsWith(body.slice(stop))) stop++;
  }
  if (stop > 8192) return refused(PREAMBLE, 8192);
  if (first < 0) return refused(END, body.length);
  if (first > 0 && body.slice(first - 2, first) !== "\r\n") return refused(DELIMITER, first);
  form.first = first;

  const inside = new RegExp(`(\r\n|\r|\n)${delimiter.replace(/[^A-Za-z0-9]/g, "\\$&")}`, "g");
  let at = first + delimiter.length;
  for (let parts = 1; ; parts++) {
    const rest = body.slice(at, at + 2);
    const closing = rest[0] === "-";
    const wanted = closing ? "--" : "\r\n";
    for (let i = 0; i < 2; i++) {
      if (rest[i] === undefined) return refused(END, body.length);
      if (rest[i] !== wanted[i]) return refused(DELIMITER, at + i);
    }
    at += 2;
    if (closing) return epilogue(body, at) ?? form;
    if (parts > 2000) return refused(PARTS, at);

    const part: Part = { model: false, file: false, encoded: false, ascii: false, disposition: false };
    const block = at;
    for (;;) {
      const length = body.slice(at).search(/[^\t -~\x80-\xff]/);
      const bad = length < 0 ? body.length : at + length;
      if (at - block >= 8192 && at < body.length) return refused(HEADERS_TOO_LONG, at);
      if (bad - block >= 8192 && block + 8192 < body.length) return refused(HEADERS_TOO_LONG, block + 8192);
      if (bad === body.length) return refused(END, body.length);
      if (body[bad] !== "\r") return refused(HEADER, bad);
      if (bad + 1 === body.length) return refused(END, body.length);
      if (body[bad + 1] !== "\n") return refused(HEADER, bad + 1);
      const line = body.slice(at, bad);
      if (line === "") break;
      const code = readHeader(line, part);
      if (code !== 0) return refused(code, at);
      at = bad + 2;
    }
    if (!part.disposition) return refused(NO_DISPOSITION, at);
    if (part.model && part.file) return refused(MODEL_FILE, at);
    if (part.model && part.encoded) return refused(MODEL_ENCODED, at);
    at += 2;
    if (body.startsWith(delimiter, at)) return refused(BARE, at);
    inside.lastIndex = at;
    const found = inside.exec(body);
    if (found === null) return refused(END, body.length);
    const dash = found.index + (found[1] as string).length;
    if (found[1] !== "\r\n") return refused(BARE, dash);
    if (part.model) {
      const value = body.slice(at, found.index);
      form.start = at;
      form.end = found.index;
      const text = Buffer.from(value, "latin1");
      const wrong = part.ascii && text.some((byte) => byte > 127);
      const valid = !wrong && Buffer.from(text.toString("utf8")).equals(text);
      form.kind = value.length > 256 ? 8 : valid ? 1 : 9;
      form.value = form.kind === 1 ? value : "";
    }
    at = dash + delimiter.length;
  }
}

function epilogue(body: string, at: number): Form | null {
  while (body[at] === " " || body[at] === "\t") at++;
  if (at === body.length) return null;
  if (body[at] === "\n") return at + 1 === body.length ? null : refused(DELIMITER, at + 1);
  if (body[at] !== "\r") return refused(DELIMITER, at);
  return at + 1 === body.length || body[at + 1] === "\n" ? null : refused(DELIMITER, at + 1);
}
