// Compares the scanner with the reference on generated forms. PILOTFISH_SCAN_DOCUMENTS=200000 makes the full run.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Form, FormScanner } from "../../testkit/scan/multipart-scanner.ts";
import { broken, contentType, cuts, type Document, document } from "./multipart-documents.ts";
import { reference } from "./multipart-reference.ts";

const DOCUMENTS = Number(process.env.PILOTFISH_SCAN_DOCUMENTS ?? 5000);
const scanner = new FormScanner();
let kinds = new Map<string, number>();

/** Makes all codes of bad content types equal: the scanner stops at the first error, and the reference may find another. */
const comparable = (form: Form) => (form.code > 0 && form.code <= 3 ? { ...form, code: 1 } : form);

/** Scans a form whole, cut at random, byte by byte, and with an empty last window. Cuts a short form in two at every byte too. */
function agrees({ contentType, body }: Document, at: readonly number[]): void {
  const expected = comparable(reference(contentType, body));
  const what = `${expected.code}/${expected.kind}`;
  kinds.set(what, (kinds.get(what) ?? 0) + 1);
  const check = (split: readonly number[], how: string) =>
    assert.deepEqual(
      comparable(scanner.scan(contentType, body, split)),
      expected,
      `${how}: ${contentType} ${JSON.stringify(Buffer.from(body).toString("latin1"))}`,
    );
  scanner.place = body.length % 2 === 0 ? "start" : "end";
  const each = Array.from({ length: body.length + 1 }, (_, index) => index);
  check([], "whole");
  check([body.length], "an empty window at the end");
  check(
    at.map((cut) => cut % (body.length + 1)).sort((a, b) => a - b),
    "random cuts",
  );
  if (body.length < 300) check(each, "byte by byte");
  if (body.length < 150) for (const cut of each) check([cut], `cut at ${cut}`);
}

function run(documents: fc.Arbitrary<Document>, share: number): void {
  kinds = new Map();
  fc.assert(
    fc.property(documents, cuts, (each, at) => agrees(each, at)),
    { numRuns: Math.ceil(DOCUMENTS * share) },
  );
}

test("forms give the reference's model or error, however they are cut", () => {
  run(document, 0.5);
  for (const expected of ["0/0", "0/1", "5/0", "6/0", "8/0", "11/0", "12/0", "13/0", "14/0"]) {
    assert.ok(kinds.has(expected), `a document of outcome ${expected} was generated: ${[...kinds]}`);
  }
});

test("damaged forms give the reference's error and offset, however they are cut", () => {
  run(broken, 0.4);
  assert.ok(kinds.has("7/0"));
});

test("content types give a boundary or none as the reference says", () => {
  const accepted = { read: 0, refused: 0 };
  const body = (boundary: string) => Buffer.from(`--${boundary}--`, "latin1");
  fc.assert(
    fc.property(contentType, (value) => {
      const text = Buffer.from(value).toString("latin1");
      // The body uses the boundary that both must have read. It shows which delimiter the scanner kept.
      const form = scanner.scan(text, body("x"));
      assert.deepEqual(comparable(form), comparable(reference(text, body("x"))), text);
      if (form.code > 0 && form.code <= 3) accepted.refused++;
      else accepted.read++;
    }),
    { numRuns: Math.ceil(DOCUMENTS * 0.3) },
  );
  assert.ok(accepted.read > 10 && accepted.refused > 10, JSON.stringify(accepted));
});
