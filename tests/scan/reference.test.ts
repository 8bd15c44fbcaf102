// Compares the reference with a real Python's json.loads(bytes), and their values of every wanted field.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { broken, document, FIELDS, odd } from "./documents.ts";
import { reference } from "./reference.ts";

const PYTHON = `
import base64, json, sys
class Number(str): pass
def read(line):
    body = base64.b64decode(line)
    try:
        plain = json.loads(body)
    except RecursionError:
        return "deep"
    except ValueError:
        return None
    if not isinstance(plain, dict):
        return "no object"
    # As written: numbers and literals of the last member of each name.
    kept = json.loads(body, parse_int=Number, parse_float=Number, parse_constant=Number)
    def show(value):
        if isinstance(value, Number): return ["number", [ord(c) for c in value]]
        if isinstance(value, str): return ["string", [b for b in value.encode("utf-16-le", "surrogatepass")]]
        if value is True: return ["true", []]
        if value is False: return ["false", []]
        if value is None: return ["null", []]
        return ["object" if isinstance(value, dict) else "array", []]
    return {name: show(kept[name]) for name in sys.argv[1:] if name in kept}
for line in sys.stdin:
    print(json.dumps(read(line)))
`;
const KINDS = ["absent", "string", "number", "true", "false", "null", "object", "array"];
const fields = FIELDS.map(({ name }) => ({ name, capacity: 100000 }));
const version = spawnSync("python3", ["-c", "import sys; print(sys.version_info >= (3, 11))"], { encoding: "utf8" });
const skip = version.stdout?.trim() === "True" ? false : "no Python 3.11 or later here";

/** Whether a body has surrogates that are written in UTF-8. Python's json.loads accepts them; the scanner does not (see json.ts). */
const hasWrittenSurrogate = (body: Uint8Array) =>
  /\xed[\xa0-\xbf][\x80-\xbf]/.test(Buffer.from(body).toString("latin1"));

test("the reference reads and refuses what Python does, and finds the same values", { skip }, () => {
  const bodies = [
    ...fc.sample(document, { numRuns: 700, seed: 1 }),
    ...fc.sample(broken, { numRuns: 2500, seed: 2 }),
    ...fc.sample(odd, { numRuns: 800, seed: 3 }),
  ];
  const made = spawnSync("python3", ["-c", PYTHON, ...fields.map(({ name }) => name)], {
    input: bodies
      .map((body) => Buffer.from(body).toString("base64"))
      .join("\n")
      .concat("\n"),
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  assert.equal(made.status, 0, made.stderr);
  const answers = made.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(answers.length, bodies.length);
  let read = 0;
  bodies.forEach((body, index) => {
    const mine = reference(body, fields, { maxDepth: 900 });
    const theirs = answers[index];
    const text = Buffer.from(body).toString("latin1");
    // The scanner is stricter on purpose (json.ts).
    if (mine.code === 1) return;
    if (mine.code === 16 && hasWrittenSurrogate(body)) return;
    if (mine.code === 3) {
      // The body is refused at its first byte, so the rest may be right or wrong.
      assert.ok(theirs === null || theirs === "no object", text);
      return;
    }
    if (mine.code !== 0) {
      assert.equal(theirs, null, `code ${mine.code} at ${mine.offset}: ${text}`);
      return;
    }
    read++;
    assert.equal(typeof theirs, "object", text);
    fields.forEach(({ name }, at) => {
      const { kind, bytes } = mine.fields[at] as { kind: number; bytes: string };
      const expected = theirs[name] ?? ["absent", []];
      if (kind === 9) {
        const units = new Uint16Array(Uint8Array.from(expected[1]).buffer);
        assert.equal(expected[0], "string", text);
        assert.match(String.fromCharCode(...units), /\p{Surrogate}/u, text);
        return;
      }
      assert.equal(KINDS[kind], expected[0], `${name}: ${text}`);
      if (kind === 1) {
        const value = Buffer.from(bytes, "latin1").toString("utf8");
        assert.deepEqual([...Buffer.from(value, "utf16le")], expected[1], `${name}: ${text}`);
      }
      if (kind === 2) assert.deepEqual([...Buffer.from(bytes, "latin1")], expected[1], `${name}: ${text}`);
    });
  });
  assert.ok(read > 500, `only ${read} bodies were read`);
});

test("bodies that are easily misjudged give Python's result", { skip }, () => {
  const nines = (count: number) => Buffer.from(`{"a":${"9".repeat(count)}}`);
  const bodies: [Uint8Array, boolean][] = [
    [Buffer.from('{"a":NaN,"b":Infinity,"c":-Infinity,"d":1e999,"e":-0}'), true],
    [Buffer.from('\ufeff{"a":1}'), true],
    [Buffer.from('\ufeff\ufeff{"a":1}'), false],
    [Buffer.from('{"a":+1}'), false],
    [Buffer.from('{"a":01}'), false],
    [Buffer.from('{"a":1.}'), false],
    [Buffer.from('{"a":.5}'), false],
    [Buffer.from('{"a":-NaN}'), false],
    [Buffer.from('{"a":1,}'), false],
    [Buffer.from('{"a":"\\ud800"}'), true],
    [Buffer.from('{"a":"\\u00zz"}'), false],
    [Buffer.from('{"a":"\\u+123"}'), false],
    [Buffer.from('{"a":"\\x41"}'), false],
    [Buffer.from('{"a":"\x7f"}'), true],
    [Buffer.from('{"a":"\t"}'), false],
    [Buffer.from('{"a":1}\x0c'), false],
    [Buffer.from('{"a":1}\0'), false],
    [Buffer.from("{'a':1}"), false],
    [nines(4300), true],
    [nines(4301), false],
  ];
  const script = `
import base64, json, sys
for line in sys.stdin:
    try:
        json.loads(base64.b64decode(line)); print(1)
    except ValueError:
        print(0)
`;
  const made = spawnSync("python3", ["-c", script], {
    input: `${bodies.map(([body]) => Buffer.from(body).toString("base64")).join("\n")}\n`,
    encoding: "utf8",
  });
  const python = made.stdout
    .trimEnd()
    .split("\n")
    .map((line) => line === "1");
  bodies.forEach(([body, expected], index) => {
    const text = Buffer.from(body).subarray(0, 60).toString("latin1");
    assert.equal(python[index], expected, `Python: ${text}`);
    assert.equal(reference(body, fields).code === 0, expected, `reference: ${text}`);
  });
});
