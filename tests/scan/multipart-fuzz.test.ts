// Scans random and mutated forms with the release wasm, at both ends of memory. No form may cause a trap, change the window,
// overrun the state, or get a verdict that depends on the cut into windows. PILOTFISH_FUZZ_SECONDS=600 makes a long run, and
// PILOTFISH_FUZZ_SEED repeats a run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FormScanner } from "../../testkit/scan/multipart-scanner.ts";

const SECONDS = Number(process.env.PILOTFISH_FUZZ_SECONDS ?? 2);
const SEED = Number(process.env.PILOTFISH_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));

let seed = SEED;
function random(n: number): number {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n);
}

const PIECES = [
  '--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n',
  '--x\r\nContent-Disposition: form-data; name="file"; filename="a\\"b"\r\nContent-Type: audio/wav\r\n\r\n',
  "\r\n--x--\r\n",
  "\r\n--x\r\n",
  "\r\n",
  "\n",
  "\r",
  "--",
  "x",
  ";",
  '"',
  "\\",
  "=",
  " ",
  "whisper",
  "\0".repeat(70),
  "模型",
  "Content-Disposition: form-data; name=model; filename*=",
].map((text) => Buffer.from(text));
const TYPES = ["multipart/form-data; boundary=x", 'Multipart/Form-Data;boundary="x" ; charset=utf-8'];

function mutated(whole: Buffer): Buffer {
  for (let hits = random(4); hits > 0 && whole.length > 0; hits--) whole[random(whole.length)] = random(256);
  return whole;
}

function body(): Buffer {
  const parts: Buffer[] = random(8) === 0 ? [] : [PIECES[random(2)] as Buffer];
  for (let count = 1 + random(12); count > 0; count--) {
    const piece = PIECES[random(PIECES.length)] as Buffer;
    for (let times = random(8) === 0 ? random(40) : 1; times > 0; times--) parts.push(piece);
    if (random(8) === 0) parts.push(Buffer.from(Array.from({ length: random(99) }, () => random(256))));
  }
  if (random(2)) parts.push(PIECES[2] as Buffer);
  const whole = Buffer.concat(parts);
  return random(2) ? mutated(whole) : whole;
}

test(`no form traps, reads or writes beyond the slack, or gives another result when it is cut (seed ${SEED})`, () => {
  const scanner = new FormScanner();
  const until = Date.now() + SECONDS * 1000;
  let forms = 0;
  let models = 0;
  while (Date.now() < until) {
    const input = body();
    const type = TYPES[random(2)] as string;
    const contentType = random(10) ? type : mutated(Buffer.from(type)).toString("latin1");
    scanner.place = random(2) ? "start" : "end";
    const whole = scanner.scan(contentType, input);
    const cuts = Array.from({ length: random(6) }, () => random(input.length + 1)).sort((a, b) => a - b);
    const what = `cut at ${cuts}: ${contentType} ${input.toString("hex")}`;
    assert.deepEqual(scanner.scan(contentType, input, cuts), whole, what);
    forms++;
    if (whole.kind === 1) models++;
  }
  assert.ok(forms > 100 && models > 1, `${forms} forms, ${models} with a model`);
});
