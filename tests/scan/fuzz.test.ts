// Scans random and mutated bodies with the release wasm, at both ends of memory. No body may cause a trap, change the bytes
// beside the window, overrun the state, or get a verdict that depends on the cut into windows. PILOTFISH_FUZZ_SECONDS=600 makes a
// long run, and PILOTFISH_FUZZ_SEED repeats a run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Scanner } from "../../testkit/scan/scanner.ts";
import { FIELDS } from "./documents.ts";

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
  '{"model":"a","messages":[{"role":"user","content":"',
  '"}],"stream":true}',
  '{"é":"\\u00e9\\ud83d\\ude00","prompt":[',
  "0.0123456789,-1e-07, 12,",
  "]}",
  '\\n\\t\\"\\\\\\u4f60',
  "請把以下內容翻譯成英文，並保留格式。",
  "한국어 😀 Съешь ࠀ",
  "The quick brown fox jumps over the lazy dog. ",
  '","a":{"b":[[[{',
  "}]]]}",
  "        \n    ",
  "-Infinity,NaN,true,false,null,",
  '"',
  "\\",
].map((text) => Buffer.from(text));

function body(): Uint8Array {
  const parts: Buffer[] = [];
  const count = 1 + random(12);
  for (let i = 0; i < count; i++) {
    const piece = PIECES[random(PIECES.length)] as Buffer;
    for (let times = random(6) === 0 ? random(12) : 1; times > 0; times--) parts.push(piece);
    if (random(5) === 0) parts.push(Buffer.from(Array.from({ length: random(20) }, () => random(256))));
  }
  const whole = Buffer.concat(parts);
  for (let hits = random(4); hits > 0 && whole.length > 0; hits--) whole[random(whole.length)] = random(256);
  return whole;
}

test(`no input traps, reads or writes beyond the slack, or gives another result when it is cut (seed ${SEED})`, () => {
  const scanner = new Scanner(FIELDS);
  const until = Date.now() + SECONDS * 1000;
  let bodies = 0;
  let valid = 0;
  while (Date.now() < until) {
    const input = body();
    scanner.place = random(2) ? "start" : "end";
    const whole = scanner.scan(input);
    const cuts = Array.from({ length: random(6) }, () => random(input.length + 1)).sort((a, b) => a - b);
    assert.deepEqual(scanner.scan(input, cuts), whole, `cut at ${cuts}: ${Buffer.from(input).toString("hex")}`);
    bodies++;
    if (whole.code === 0) valid++;
  }
  assert.ok(bodies > 100, `${bodies} bodies, ${valid} of them valid`);
});
