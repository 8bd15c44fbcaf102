// Tests case by case which forms are read and which are refused, by the rules at the top of assembly/scan/multipart/multipart.ts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Form, FormScanner } from "../../testkit/scan/multipart-scanner.ts";

const scanner = new FormScanner();
const TYPE = "multipart/form-data; boundary=xyz";
const bytes = (text: string) => Buffer.from(text, "latin1");
const part = (data: string, headers = 'Content-Disposition: form-data; name="model"') =>
  `--xyz\r\n${headers}\r\n\r\n${data}\r\n`;
const FILE = 'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav';
const CLOSE = "--xyz--\r\n";

/** Scans a form with different cuts into windows, at both ends of memory. The verdict must always be the same. */
function scan(form: string | Uint8Array, contentType = TYPE): Form {
  const body = typeof form === "string" ? bytes(form) : form;
  const whole = scanner.scan(contentType, body);
  for (let cut = 0; cut <= body.length; cut++) {
    scanner.place = cut % 2 === 0 ? "start" : "end";
    assert.deepEqual(scanner.scan(contentType, body, [cut]), whole, `cut at ${cut}`);
  }
  const each = Array.from({ length: body.length }, (_, index) => index);
  assert.deepEqual(scanner.scan(contentType, body, each), whole, "byte by byte");
  return whole;
}

function reads(form: string, model: string, contentType = TYPE): void {
  const found = scan(form, contentType);
  assert.deepEqual([found.code, found.kind, found.value], [0, 1, model], form);
  assert.equal(bytes(form).subarray(found.start, found.end).toString("latin1"), model, "the offsets are the value's");
}

function refuses(form: string, sentence: RegExp, offset?: number, contentType = TYPE): void {
  const found = scan(form, contentType);
  assert.notEqual(found.code, 0, `is refused: ${form}`);
  assert.match(scanner.sentence(found.code), sentence, form);
  if (offset !== undefined) assert.equal(found.offset, offset, form);
}

test("every form that a real client sent gives its model, split at every byte", () => {
  const lines = readFileSync(new URL("../fixtures/clients/captured_requests.jsonl", import.meta.url), "utf8").trimEnd();
  const forms = lines
    .split("\n")
    .map((line) => JSON.parse(line) as { client: string; ct: string; len: number; head: string; tail: string })
    .filter(({ ct }) => ct.startsWith("multipart/"));
  assert.ok(forms.length >= 15);
  for (const { client, ct, len, head, tail } of forms) {
    const boundary = /boundary=(.*)/.exec(ct)?.[1] ?? "";
    // The recorded forms have only the first 160 and the last 60 bytes of a body. The removed bytes are headers and zeros of a file.
    const whole = head.includes("filename") ? head : head.slice(0, head.lastIndexOf(`\r\n--${boundary}`));
    const lost = /MODEL/.test(head + tail)
      ? ""
      : `\r\n--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nMODEL`;
    const opened = whole + lost;
    const cut = head.includes("filename") ? "" : `\r\n--${boundary}\r\n${FILE}\r\n\r\n`;
    const closed = tail.startsWith("\0") ? tail : `\r\n--${boundary}\r\nContent-Disposition: form-data; n${tail}`;
    const filler = "\0".repeat(len - opened.length - cut.length - closed.length);
    const body = `${opened}${cut}${filler}${closed}`;
    assert.equal(body.length, len, client);
    const found = scan(body, ct);
    assert.deepEqual([found.code, found.kind, found.value], [0, 1, "MODEL"], client);
    assert.equal(body.slice(found.start, found.end), "MODEL", client);
  }
});

test("the model is found before and after a file, and the last of several wins", () => {
  reads(part("a") + part("RIFF\0\0", FILE) + CLOSE, "a");
  reads(part("RIFF\0\0", FILE) + part("b") + CLOSE, "b");
  reads(part("a") + part("RIFF", FILE) + part("b") + CLOSE, "b");
  reads(part("a".repeat(300)) + part("b") + CLOSE, "b");
  reads(part("") + CLOSE, "");
  assert.equal(scan(part("RIFF", FILE) + CLOSE).kind, 0);
  assert.equal(scan("--xyz--").kind, 0);
});

test("a value that is too long or not UTF-8 has a kind of its own", () => {
  reads(part("a".repeat(256)) + CLOSE, "a".repeat(256));
  assert.equal(scan(part("a".repeat(257)) + CLOSE).kind, 8);
  assert.equal(scan(part("\xff") + CLOSE).kind, 9);
  assert.equal(scan(part("a\xe6\xa8") + CLOSE).kind, 9);
  reads(part(Buffer.from("模型").toString("latin1")) + CLOSE, Buffer.from("模型").toString("latin1"));
});

test("header names, types and parameters are read in any case, quoted or not", () => {
  reads(part("m", "content-disposition:form-data;name=model") + CLOSE, "m");
  reads(part("m", 'CONTENT-DISPOSITION: \tForm-Data ;\t NAME="model" ;') + CLOSE, "m");
  reads(part("m", "X-A: 1\r\nContent-Disposition: form-data; name=model\r\nContent-Type: text/plain") + CLOSE, "m");
  assert.equal(scan(part("m", 'Content-Disposition: form-data; name="Model"') + CLOSE).kind, 0, "names are not folded");
  assert.equal(scan(part("m", 'Content-Disposition: form-data; name="mo\\"del"') + CLOSE).kind, 0);
});

test("the boundary is read quoted, escaped, in any case, among other parameters", () => {
  const form = (boundary: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--${boundary}--`;
  reads(form("a b"), "m", 'multipart/form-data; boundary="a b"');
  reads(form('a"\\b'), "m", 'multipart/form-data; boundary="a\\"\\\\b"');
  reads(form("a;b"), "m", 'Multipart/Form-Data;x=y;BOUNDARY="a;b"; charset=UTF-8');
  reads(form("=_a/b?"), "m", "multipart/form-data; boundary==_a/b?");
  reads(form("B".repeat(200)), "m", `multipart/form-data; boundary=${"B".repeat(200)}`);
  const none = /needs one boundary/;
  refuses(form("a"), none, 0, "multipart/form-data");
  refuses(form("a"), none, 0, "multipart/form-data; boundary=a; boundary=a");
  refuses(form("a"), none, 0, "multipart/form-data; boundary*=a");
  refuses(form("a"), none, 0, `multipart/form-data; boundary=${"B".repeat(201)}`);
  refuses(form("a"), none, 0, 'multipart/form-data; boundary=""');
  refuses(form("a"), none, 0, 'multipart/form-data; boundary="a "');
  refuses(form("a"), none, 0, 'multipart/form-data; boundary="\\a"');
  refuses(form("a"), /well-formed parameters/, 0, "multipart/form-data; boundary=a b");
  refuses(form("a"), /well-formed parameters/, 0, 'multipart/form-data; boundary="a');
  refuses(form("a"), /well-formed parameters/, 0, "multipart/mixed; boundary=a");
  refuses(form("a"), /charset other than UTF-8/, 0, "multipart/form-data; boundary=a; charset=utf-7");
});

test("preamble and epilogue are skipped, but a preamble with the delimiter in it is refused", () => {
  reads(`\r\n${part("m")}${CLOSE}`, "m");
  reads(`A MIME preamble.\r\n\r\n${part("m")}${CLOSE}`, "m");
  reads(`${part("m")}${CLOSE}rest\r\n${part("evil")}`, "m");
  reads(`${part("m")}--xyz-- \t\r\n`, "m");
  reads(`${part("m")}--xyz--\n`, "m");
  assert.equal(scan(`ab\r\n${part("m")}${CLOSE}`).first, 4);
  refuses(`ab${part("m")}${CLOSE}`, /must begin a line/, 2);
  refuses(`\n${part("m")}${CLOSE}`, /must begin a line/, 1);
  refuses(`${part("m")}--xyz--rest`, /if it is the last/);
  refuses(`${part("m")}--xyz--\nrest`, /if it is the last/);
  assert.equal(scanner.scan(TYPE, bytes(`${"p".repeat(8190)}\r\n${part("m")}${CLOSE}`)).value, "m");
  assert.equal(scanner.sentence(scanner.scan(TYPE, bytes("p".repeat(9000))).code).includes("first 8192"), true);
});

test("a line that only begins like a delimiter is data", () => {
  const almost = "\r\n--xy\r\n--xyZ--\r\n-\r\n--\r\r\n--xy\r\n".repeat(3);
  reads(part(almost) + CLOSE, almost);
  reads(part("--xy") + CLOSE, "--xy");
  reads(part("a--xyz\r\n--x--xyz--") + CLOSE, "a--xyz\r\n--x--xyz--");
  reads(part("a\r") + CLOSE, "a\r");
  reads(part("\n\r") + CLOSE, "\n\r");
});

test("delimiters that servers read differently are refused", () => {
  refuses(part("a\n--xyz\r\nb") + CLOSE, /must follow CR LF/);
  refuses(part("a\r--xyz\r\nb") + CLOSE, /must follow CR LF/);
  refuses(part("--xyz\r\nb") + CLOSE, /must follow CR LF/);
  refuses(part("a\r\n--xyz \r\nb") + CLOSE, /end with CR LF/);
  refuses(part("a\r\n--xyz\nb") + CLOSE, /end with CR LF/);
  refuses(part("a\r\n--xyzz\r\nb") + CLOSE, /end with CR LF/);
  refuses((part("a") + CLOSE).replaceAll("\r\n", "\n"), /end with CR LF/, 5);
});

test("header lines that servers read differently are refused", () => {
  const lines = /header lines must be/;
  refuses(part("m", "Content-Disposition: form-data; name=model;\r\n x=y") + CLOSE, lines);
  refuses(
    part("m", "Content-Disposition: form-data; name=x\nContent-Disposition: form-data; name=model") + CLOSE,
    lines,
  );
  refuses(part("m", "Content-Disposition : form-data; name=model") + CLOSE, lines);
  refuses(part("m", "Content-Disposition: form-data; name=mo\0del") + CLOSE, lines);
  refuses(part("m", "no colon") + CLOSE, lines);
  const one = /with one name/;
  refuses(part("m", "Content-Disposition: form-data; name=file; name=model") + CLOSE, one);
  refuses(part("m", "Content-Disposition: form-data; name=file; name*=utf-8''model") + CLOSE, one);
  refuses(part("m", "Content-Disposition: form-data") + CLOSE, one);
  refuses(part("m", "Content-Disposition: attachment; name=model") + CLOSE, one);
  refuses(part("m", 'Content-Disposition: form-data; name="mo\\del"') + CLOSE, one);
  refuses(part("m", 'Content-Disposition: form-data; x="\\"; name=model; y="; name=file') + CLOSE, one);
  refuses(part("m", 'Content-Disposition: form-data; x="\\\\"; name=model') + CLOSE, one);
  refuses(part("m", "Content-Disposition: form-data; name = model") + CLOSE, one);
  refuses(part("m", `Content-Disposition: form-data; name=a\r\n${FILE}`) + CLOSE, one);
  refuses(part("m", "Content-Type: text/plain") + CLOSE, /no Content-Disposition/);
});

test("a model that is a file, encoded or in another charset is refused; any other file may be all of these", () => {
  const model = "Content-Disposition: form-data; name=model";
  refuses(part("m", `${model}; filename=a`) + CLOSE, /is a file/);
  for (const header of ["; filename*=utf-8''a", "\r\nContent-Transfer-Encoding: base64"]) {
    refuses(part("m", model + header) + CLOSE, /must be plain UTF-8 text/);
  }
  refuses(part("m", `${model}\r\nContent-Type: text/plain; charset=utf-16`) + CLOSE, /must be plain UTF-8 text/);
  refuses(part("m", `Content-Type: multipart/mixed; boundary=y\r\n${model}`) + CLOSE, /must be plain UTF-8 text/);
  reads(
    part("m", `${model}\r\nContent-Type: text/plain; charset="UTF-8"\r\nContent-Transfer-Encoding: 8BIT`) + CLOSE,
    "m",
  );
  const file = `${FILE}; charset=utf-16\r\nContent-Transfer-Encoding: base64`;
  reads(part("AAAA", file.replace("filename", "filename*=utf-8''b; filename")) + part("m") + CLOSE, "m");
});

test("a model that is declared as ASCII or Latin-1, as by Apache's HttpClient, is read if it is ASCII", () => {
  const model =
    "Content-Disposition: form-data; name=model\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/plain";
  for (const charset of ["ISO-8859-1", "US-ASCII", '"iso-8859-1"']) {
    reads(part("m", `${model}; charset=${charset}`) + CLOSE, "m");
    // These bytes are valid UTF-8 too, but then a different name.
    for (const value of ["\xc3\xa9", "m\xff"]) {
      const form = part(value, `${model}; charset=${charset}`) + CLOSE;
      assert.deepEqual([scan(form).code, scan(form).kind], [0, 9], charset);
    }
  }
  reads(
    part("\xc3\xa9", "Content-Disposition: form-data; name=model") + part("m", `${model}; charset=us-ascii`) + CLOSE,
    "m",
  );
  reads(
    part("m", `${model}; charset=us-ascii`) + part("\xc3\xa9", `Content-Disposition: form-data; name=model`) + CLOSE,
    "\xc3\xa9",
  );
});

test("a form cut short anywhere is refused at its end", () => {
  const form = `\r\n${part("RIFF\r\n--xy", FILE)}${part("m")}--xyz--`;
  for (let length = 0; length < form.length; length++) refuses(form.slice(0, length), /ends before/, length);
  reads(form, "m");
});

test("header lines beyond 8192 bytes and parts beyond 2000 are refused", () => {
  const long = (length: number) =>
    part("m", `Content-Disposition: form-data; name=model\r\nX: ${"x".repeat(length)}`) + CLOSE;
  const fits = 8192 - "Content-Disposition: form-data; name=model\r\nX: \r\n".length - 1;
  assert.equal(scanner.scan(TYPE, bytes(long(fits))).value, "m");
  const refusal = scanner.scan(TYPE, bytes(long(fits + 1)));
  assert.match(scanner.sentence(refusal.code), /longer than 8192 bytes/);
  assert.deepEqual(
    scanner.scan(
      TYPE,
      bytes(long(fits + 1)),
      Array.from({ length: 8300 }, (_, index) => index),
    ),
    refusal,
  );
  const parts = (count: number) => part("m").repeat(count) + CLOSE;
  assert.equal(scanner.scan(TYPE, bytes(parts(2000))).value, "m");
  assert.match(scanner.sentence(scanner.scan(TYPE, bytes(parts(2001))).code), /more than 2000 parts/);
});

test("a file of 100 MiB passes through the windows, whatever delimiters lie across their ends", () => {
  const chunk = Buffer.alloc(1 << 20, "\r\n--xy\0\0\r\n--xyZ-binary-");
  function* body(): Generator<Uint8Array> {
    yield bytes(`--xyz\r\n${FILE}\r\n\r\n`);
    for (let i = 0; i < 100; i++) yield chunk;
    yield bytes(`\r\n${part("after")}${CLOSE}`);
  }
  const before = scanner.memory().length;
  const found = scanner.stream(TYPE, body());
  assert.deepEqual([found.code, found.kind, found.value], [0, 1, "after"]);
  assert.equal(found.end - found.start, 5);
  assert.ok(found.start > 100 * (1 << 20));
  assert.equal(scanner.memory().length, before, "memory does not grow");
});

test("every code has a sentence of its own", () => {
  const sentences = new Set(Array.from({ length: 16 }, (_, code) => scanner.sentence(code)));
  assert.equal(sentences.size, 16);
});
