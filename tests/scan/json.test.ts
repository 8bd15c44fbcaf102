// Compares the scanner with the reference on generated bodies. PILOTFISH_SCAN_DOCUMENTS=200000 makes the full run.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Scanner } from "../../testkit/scan/scanner.ts";
import { broken, cuts, document, FIELDS, odd } from "./documents.ts";
import { reference } from "./reference.ts";

const DOCUMENTS = Number(process.env.PILOTFISH_SCAN_DOCUMENTS ?? 5000);
const scanner = new Scanner(FIELDS);

/** Scans a body whole, cut at random, byte by byte, and with an empty last window. Cuts a short body in two at every byte too. */
function agrees(subject: Scanner, body: Uint8Array, at: readonly number[], options = {}): void {
  const expected = reference(body, FIELDS, options);
  const check = (split: readonly number[], what: string) =>
    assert.deepEqual(subject.scan(body, split), expected, `${what}: ${Buffer.from(body).toString("latin1")}`);
  const each = Array.from({ length: body.length + 1 }, (_, index) => index);
  subject.place = body.length % 2 === 0 ? "start" : "end";
  check([], "whole");
  check([body.length], "an empty window at the end");
  check(
    at.map((cut) => cut % (body.length + 1)).sort((a, b) => a - b),
    "random cuts",
  );
  if (body.length < 1000) check(each, "byte by byte");
  if (body.length < 60) for (const cut of each) check([cut], `cut at ${cut}`);
}

const run = (bodies: fc.Arbitrary<Uint8Array>, share: number) =>
  fc.assert(
    fc.property(bodies, cuts, (body, at) => agrees(scanner, body, at)),
    { numRuns: Math.ceil(DOCUMENTS * share) },
  );

test("valid bodies give the reference's fields, however they are cut", () => run(document, 0.45));
test("damaged bodies give the reference's error and offset, however they are cut", () => run(broken, 0.45));
test("bodies that are not objects, or not UTF-8, give the reference's error", () => run(odd, 0.1));

test("a small depth limit and refused duplicates follow the reference", () => {
  const options = { maxDepth: 3, rejectDuplicates: true };
  const strict = new Scanner(FIELDS, options);
  fc.assert(
    fc.property(document, cuts, (body, at) => agrees(strict, body, at, options)),
    { numRuns: Math.ceil(DOCUMENTS * 0.1) },
  );
});
