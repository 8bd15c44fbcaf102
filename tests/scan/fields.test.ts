import assert from "node:assert/strict";
import { test } from "node:test";
import { type Outcome, Scanner } from "../../testkit/scan/scanner.ts";

const scanner = new Scanner([
  { name: "model", capacity: 16 },
  { name: "stream", capacity: 8 },
]);
const kindAndBytes = (text: string, field = 0, subject = scanner): [number | undefined, string | undefined] => {
  const outcome: Outcome = subject.scan(Buffer.from(text));
  assert.equal(outcome.code, 0, text);
  return [outcome.fields[field]?.kind, Buffer.from(outcome.fields[field]?.bytes ?? "", "latin1").toString()];
};

test("a field that is missing, nested or in another case is absent", () => {
  for (const text of ["{}", '{"Model":"a"}', '{"x":{"model":"a"}}', '{"x":[{"model":"a"}]}', '{"model ":"a"}']) {
    assert.deepEqual(kindAndBytes(text), [0, ""], text);
  }
});

test("the last member of a name wins, whatever the earlier ones were", () => {
  assert.deepEqual(kindAndBytes('{"model":"a","model":"b"}'), [1, "b"]);
  assert.deepEqual(kindAndBytes('{"model":"a","mod\\u0065l":"b"}'), [1, "b"]);
  assert.deepEqual(kindAndBytes('{"model":"a","model":null}'), [5, "null"]);
  assert.deepEqual(kindAndBytes('{"model":"a","model":{"model":"b"}}'), [6, ""]);
  assert.deepEqual(kindAndBytes('{"model":"\\ud800","model":"b"}'), [1, "b"]);
  assert.deepEqual(kindAndBytes(`{"model":"${"a".repeat(17)}","model":"b"}`), [1, "b"]);
});

test("with duplicates refused, the second key is where the error is", () => {
  const strict = new Scanner([{ name: "model", capacity: 16 }], { rejectDuplicates: true });
  const { code, offset } = strict.scan(Buffer.from('{"model":"a", "mod\\u0065l":"b"}'));
  assert.deepEqual([code, offset], [18, 14]);
  assert.equal(strict.scan(Buffer.from('{"x":"a","x":"b","model":"c"}')).code, 0, "only wanted names are kept in mind");
});

test("strings are decoded, numbers and literals are as written", () => {
  assert.deepEqual(kindAndBytes('{"model":"\\ud83d\\ude00\\/é\\n"}'), [1, "😀/é\n"]);
  assert.deepEqual(kindAndBytes('{"model":-0.50E+2}'), [2, "-0.50E+2"]);
  assert.deepEqual(kindAndBytes('{"model":-Infinity}'), [2, "-Infinity"]);
  assert.deepEqual(kindAndBytes('{"stream": true }', 1), [3, "true"]);
  assert.deepEqual(kindAndBytes('{"stream":false}', 1), [4, "false"]);
});

test("a value of exactly its capacity is kept, one byte more is too long", () => {
  assert.deepEqual(kindAndBytes(`{"model":"${"a".repeat(16)}"}`), [1, "a".repeat(16)]);
  assert.deepEqual(kindAndBytes(`{"model":"${"a".repeat(17)}"}`), [8, ""]);
  assert.deepEqual(kindAndBytes(`{"model":"${"a".repeat(13)}\\u4f60"}`), [1, `${"a".repeat(13)}你`]);
  assert.deepEqual(kindAndBytes(`{"model":"${"a".repeat(14)}\\u4f60"}`), [8, ""]);
  assert.deepEqual(kindAndBytes(`{"model":${"1".repeat(17)}}`), [8, ""]);
});

test("half a surrogate pair is read and has a kind of its own, in any order and at the end", () => {
  for (const lone of [
    "\\ud800",
    "\\udc00",
    "\\udc00\\ud800",
    "\\ud800\\ud800\\udc00",
    "a\\ud83dx\\ude00",
    "\\ud83d\\n",
  ]) {
    assert.deepEqual(kindAndBytes(`{"model":"${lone}"}`), [9, ""], lone);
  }
  assert.equal(scanner.scan(Buffer.from('{"x":"\\ud800","\\ud800":1,"model":"a"}')).fields[0]?.bytes, "a");
});

test("start and end span the value with its quotes, also behind a byte order mark", () => {
  const body = Buffer.from('\ufeff {"x":1, "model" : "a\\u0062" ,"stream":true}');
  const [model, stream] = scanner.scan(body, [9, 20, 23]).fields;
  assert.equal(body.subarray(model?.start, model?.end).toString(), '"a\\u0062"');
  assert.equal(body.subarray(stream?.start, stream?.end).toString(), "true");
});

test("twenty fields fit, a twenty-first and a name of 65 bytes do not, a known name keeps its index", () => {
  const full = new Scanner(Array.from({ length: 20 }, (_, index) => ({ name: `f${index}`, capacity: 8 })));
  const body = `{${Array.from({ length: 20 }, (_, index) => `"f${index}":"v${index}"`).join(",")}}`;
  for (let index = 0; index < 20; index++) assert.deepEqual(kindAndBytes(body, index, full), [1, `v${index}`]);
  const add = (subject: Scanner, name: string) => {
    const at = subject.wasm.state.value;
    subject.memory().set(Buffer.from(name), at);
    return subject.wasm.fieldsAdd(subject.wasm.table.value, at, name.length, 8, 0);
  };
  assert.equal(add(full, "f20"), -1);
  assert.equal(add(full, "f3"), 3);
  assert.equal(add(scanner, "n".repeat(65)), -1);
  assert.equal(add(new Scanner([]), "n".repeat(64)), 0);
});

test("a name of 64 bytes is found, a key of 65 bytes equals no name", () => {
  const long = new Scanner([{ name: "n".repeat(64), capacity: 8 }]);
  assert.deepEqual(kindAndBytes(`{"${"n".repeat(64)}":"a","${"n".repeat(65)}":"b"}`, 0, long), [1, "a"]);
});

test("nesting is allowed to the limit and refused one bracket deeper, at that bracket", () => {
  for (const maxDepth of [1, 63, 64, 65, 128, 129, 512, 1024]) {
    const subject = new Scanner([{ name: "model", capacity: 16 }], { maxDepth });
    const nested = (depth: number) =>
      Buffer.from(`{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}${depth === 1 ? "1" : ""},"model":"a"}`);
    assert.equal(subject.scan(nested(maxDepth)).fields[0]?.bytes, "a", `${maxDepth}`);
    const { code, offset } = subject.scan(nested(maxDepth + 1));
    assert.deepEqual([code, offset], [17, 4 + maxDepth], `${maxDepth}`);
  }
});

test("brackets of both kinds are matched across the words that hold them", () => {
  const open = Array.from({ length: 400 }, (_, index) => (index % 3 === 0 ? '{"k":' : "["));
  const close = open.map((each) => (each === "[" ? "]" : "}")).reverse();
  const text = `${open.join("")}1${close.join("")}`;
  assert.equal(scanner.scan(Buffer.from(text)).code, 0);
  for (let index = 0; index < close.length; index++) {
    const swapped = [...close];
    swapped[index] = close[index] === "]" ? "}" : "]";
    const before = open.join("").length + 1 + index;
    const { code, offset } = scanner.scan(Buffer.from(`${open.join("")}1${swapped.join("")}`));
    assert.deepEqual([code, offset], [8, before], `${index}`);
  }
});

test("a hashed field's value is reported as written, in parts that add up, one value at a time", () => {
  const subject = new Scanner([
    { name: "model", capacity: 16 },
    { name: "messages", capacity: 0, hashed: true },
    { name: "prompt", capacity: 0, hashed: true },
  ]);
  const body = Buffer.from(
    '{"prompt": "a\\n\\"b" ,"messages":[ {"messages":1} ],"model":"m","prompt":-12.5e3,"messages":null}',
  );
  const values = ['"a\\n\\"b"', '[ {"messages":1} ]', "-12.5e3", "null"];
  for (let cut = 0; cut <= body.length; cut++)
    assert.deepEqual(subject.scan(body, [cut]).hashed, values, `cut at ${cut}`);
});
