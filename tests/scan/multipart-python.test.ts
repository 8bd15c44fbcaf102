// Compares the scanner with vLLM's parser, which is Starlette's on python-multipart. PILOTFISH_PYTHON names a Python that has
// both. If the scanner reads a form, the server must read the same model, or refuse the form.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { FormScanner } from "../../testkit/scan/multipart-scanner.ts";
import { broken, document } from "./multipart-documents.ts";

const PYTHON = `
import asyncio, json, sys
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
async def read(contentType, body):
    if parse_options_header(contentType)[0] != b"multipart/form-data": return {"error": "type"}
    async def stream(): yield body
    try:
        form = await MultiPartParser(Headers({"content-type": contentType}), stream()).parse()
    except MultiPartException as error:
        return {"error": error.message}
    model = form.get("model")
    return {"model": model if model is None or isinstance(model, str) else True}
for line in sys.stdin:
    each = json.loads(line)
    print(json.dumps(asyncio.run(read(each["contentType"], each["body"].encode("latin-1")))))
`;
const python = process.env.PILOTFISH_PYTHON ?? "python3";
const found = spawnSync(python, ["-c", "import starlette.formparsers, python_multipart"]);
const skip = found.status === 0 ? false : "no Python with starlette and python-multipart here";

test("Starlette reads the same model in each form that the scanner accepts", { skip }, () => {
  const scanner = new FormScanner();
  const forms = [...fc.sample(document, { numRuns: 3000 }), ...fc.sample(broken, { numRuns: 2000 })].map((form) => ({
    contentType: form.contentType,
    body: Buffer.from(form.body).toString("latin1"),
  }));
  const made = spawnSync(python, ["-c", PYTHON], {
    input: `${forms.map((form) => JSON.stringify(form)).join("\n")}\n`,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  assert.equal(made.status, 0, made.stderr);
  const answers = made.stdout.trimEnd().split("\n");
  assert.equal(answers.length, forms.length);
  const both = { models: 0, refusals: 0 };
  for (const [index, { contentType, body }] of forms.entries()) {
    const form = scanner.scan(contentType, Buffer.from(body, "latin1"));
    const answer = JSON.parse(answers[index] as string) as { error?: string; model: string | true | null };
    if (form.code !== 0 && answer.error !== undefined) both.refusals++;
    if (form.code !== 0 || answer.error !== undefined) continue;
    const { model } = answer;
    const what = `${contentType} ${JSON.stringify(body)}`;
    if (form.kind === 0) assert.equal(model, null, what);
    else if (form.kind === 1) assert.equal(model, Buffer.from(form.value, "latin1").toString(), what);
    else assert.equal(typeof model, "string", what);
    if (form.kind === 1) both.models++;
  }
  assert.ok(both.models > 50 && both.refusals > 100, JSON.stringify(both));
});
