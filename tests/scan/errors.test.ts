import assert from "node:assert/strict";
import { test } from "node:test";
import { Scanner } from "../../testkit/scan/scanner.ts";
import { WRONG_NUMBERS } from "./documents.ts";
import { reference } from "./reference.ts";

const scanner = new Scanner([{ name: "model", capacity: 16 }]);
const bytes = (text: string) => Buffer.from(text, "latin1");

/** Each case has a body in Latin-1, the error's code and the error's offset. */
const CASES: [string, number, number][] = [
  ['\xff\xfe{\0"\0', 1, 0],
  ["\xfe\xff\0{", 1, 0],
  ["{\0}\0", 1, 0],
  ["\0{\0}", 1, 0],
  ["\0\0\0{", 1, 0],
  ["\xff\xfe\0\0{\0\0\0", 1, 0],
  ["{\0", 1, 0],
  ["", 2, 0],
  [" \r\n\t", 2, 4],
  ["\xef\xbb\xbf", 2, 3],
  ["[]", 3, 0],
  [' "a"', 3, 1],
  ["-1", 3, 0],
  ["nul", 3, 0],
  ["{", 4, 1],
  ['{"a', 4, 3],
  ['{"a"', 4, 4],
  ['{"a":', 4, 5],
  ['{"a":tru', 4, 8],
  ['{"a":-', 4, 6],
  ['{"a":1', 4, 6],
  ['{"a":1e', 4, 7],
  ['{"a":"\\', 4, 7],
  ['{"a":"\\u12', 4, 10],
  ['{"a":[1,', 4, 8],
  ["{a:1}", 5, 1],
  ["{,}", 5, 1],
  ['{"a" 1}', 6, 5],
  ['{"a":}', 7, 5],
  ['{"a":[,1]}', 7, 6],
  ['{"a":]}', 7, 5],
  ["\xef\xbb\xbf\xef\xbb\xbf{}", 7, 3],
  ['{"a":1 "b":2}', 8, 7],
  ['{"a":[1}', 8, 7],
  ['{"a":{"b":1]', 8, 11],
  ['{"a":1,}', 9, 7],
  ['{"a":[1, ]}', 9, 9],
  ["{}{}", 10, 2],
  ["{}\0\0", 10, 2],
  ['{"a":nul1}', 11, 5],
  ['{"a":-Infinit1}', 11, 5],
  ['{"a":01}', 12, 6],
  ['{"a":1.}', 12, 7],
  ['{"a":-x}', 12, 6],
  ['{"a":1e+}', 12, 8],
  [`{"a": ${"1".repeat(4301)}}`, 13, 6],
  ['{"a":"\x1f"}', 14, 6],
  [`{"a":"${"x".repeat(100)}\n"}`, 14, 106],
  ['{"a":"\\x"}', 15, 6],
  ['{"a":"\\u12g4"}', 15, 6],
  [`{"a":"${"x".repeat(63)}\\'"}`, 15, 69],
  ['{"a":"\x80"}', 16, 6],
  ['{"a":"\xc0\xaf"}', 16, 6],
  ['{"a":"\xe0\x9f\xbf"}', 16, 6],
  ['{"a":"\xed\xa0\x80"}', 16, 6],
  ['{"a":"\xf0\x8f\xbf\xbf"}', 16, 6],
  ['{"a":"\xf4\x90\x80\x80"}', 16, 6],
  ['{"a":"\xe4\xbd"}', 16, 6],
  ['{"a":"\xe4\xbd', 16, 6],
  ['{"\xff":1}', 16, 2],
  [`{"a":"${"x".repeat(63)}\xe4","b":1}`, 16, 69],
  [`{"a":${"[".repeat(600)}`, 17, 516],
];

test("each kind of error has its code and the offset of the byte that is wrong, however the body is cut", () => {
  for (const [text, code, offset] of CASES) {
    const body = bytes(text);
    const cuts = body.length > 200 ? [100, 4200] : Array.from({ length: body.length + 1 }, (_, index) => index);
    for (const cut of cuts.filter((each) => each <= body.length)) {
      const found = scanner.scan(body, [cut]);
      assert.deepEqual(
        [found.code, found.offset],
        [code, offset],
        `${JSON.stringify(text.slice(0, 80))} cut at ${cut}`,
      );
    }
  }
});

test("a case reaches each code, except those of duplicates and of bodies over 4 GiB", () => {
  const reached = new Set(CASES.map(([, code]) => code));
  for (let code = 1; code < 18; code++) assert.ok(reached.has(code), `code ${code}`);
});

test("a wrong byte in a long string is found at each position of a block, in each script", () => {
  for (const filler of ["x", "é", "你", "한", "😀", "\\n", "\\u4f60"]) {
    const unit = Buffer.from(filler);
    for (let count = 0; count < 200; count += 1 + (count >> 4)) {
      for (const wrong of ["\x01", "\xc1", "\xed\xa0\x80", "\xf5", "\\q", "\x80"]) {
        const before = Buffer.concat([Buffer.from('{"m":"x'), ...Array.from({ length: count }, () => unit)]);
        const body = Buffer.concat([before, bytes(wrong), Buffer.from(`${filler.repeat(40)}"}`)]);
        assert.equal(scanner.scan(body).offset, before.length, `${filler} ${count} ${JSON.stringify(wrong)}`);
      }
    }
  }
});

test("a wrong number in a list gives the reference's error, at each position", () => {
  for (const wrong of WRONG_NUMBERS) {
    for (const filler of ["7", "-12.5", "0.25e-7", "123456789012345678"]) {
      for (let before = 1; before < 24; before++) {
        const numbers = [
          ...Array.from({ length: before }, () => filler),
          wrong,
          ...Array.from({ length: 70 }, () => filler),
        ];
        for (const comma of [",", ", "]) {
          const body = bytes(`{"a":[${numbers.join(comma)}]}`);
          assert.deepEqual(
            scanner.scan(body),
            reference(body, scanner.fields),
            `${wrong} behind ${before} times ${filler}`,
          );
        }
      }
    }
  }
});

test("nothing is read after an error or the end", () => {
  scanner.scan(bytes("[]"));
  const { wasm } = scanner;
  assert.equal(wasm.jsonFeed(wasm.state.value, 1024, 100, 0), 0);
  assert.equal(wasm.jsonStatus(wasm.state.value), -3);
});

test("a body of more than 4 GiB is refused, by its offset", () => {
  const { wasm } = scanner;
  const state = wasm.state.value;
  scanner.memory().fill(0x20, 1024, 1024 + 65536);
  wasm.jsonInit(state, wasm.table.value);
  let windows = 0;
  while (wasm.jsonStatus(state) === 0) {
    wasm.jsonFeed(state, 1024, 65536, 0);
    windows++;
  }
  assert.equal(wasm.jsonStatus(state), -19);
  assert.equal(windows, 65536);
});
