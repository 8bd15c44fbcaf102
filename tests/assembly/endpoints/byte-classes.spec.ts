import { newRandom } from "../../../assembly/base/random";
import { ByteClasses } from "../../../assembly/endpoints/cache/byte-classes";

const random = newRandom(5);
const MOST: u32 = 65536;
/** Up to this length each byte is counted. */
const ALL: u32 = 4096;
const text: usize = memory.data(MOST + 64, 16);
const counts = changetype<ByteClasses>(memory.data(offsetof<ByteClasses>(), 8));
const pieces = changetype<ByteClasses>(memory.data(offsetof<ByteClasses>(), 8));

const LOWER: u32 = 0;
const UPPER: u32 = 1;
const DIGITS: u32 = 2;
const OTHER: u32 = 3;
const HIGH: u32 = 4;

function classOf(byte: u32): u32 {
  if (byte >= 0x80) return HIGH;
  if (byte >= 0x61 && byte <= 0x7a) return LOWER;
  if (byte >= 0x41 && byte <= 0x5a) return UPPER;
  return byte >= 0x30 && byte <= 0x39 ? DIGITS : OTHER;
}

function valueOf(from: ByteClasses, kind: u32): u32 {
  if (kind == LOWER) return from.lower;
  if (kind == UPPER) return from.upper;
  if (kind == DIGITS) return from.digits;
  return kind == OTHER ? from.other : from.high;
}

function sumOf(from: ByteClasses): u32 {
  return from.lower + from.upper + from.digits + from.other + from.high;
}

/** Bytes of a class among the first `length` bytes of the text, counted one by one. */
function slowly(from: usize, length: u32, kind: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < length; i++) if (classOf(load<u8>(from + i)) == kind) sum++;
  return sum;
}

function fillAtRandom(length: u32): void {
  for (let i: u32 = 0; i < length; i++) store<u8>(text + i, <u8>random.next());
}

function countWhole(length: u32): void {
  counts.clear();
  counts.countBytes(text, length);
}

/** Expects the exact counts of `length` bytes. */
function expectExact(from: usize, length: u32): void {
  for (let kind: u32 = 0; kind <= HIGH; kind++) {
    const expected = slowly(from, length, kind);
    if (valueOf(counts, kind) != expected) {
      expect(valueOf(counts, kind)).toBe(expected, `class ${kind} of ${length} bytes at ${from - text}`);
    }
  }
}

describe("byte classes", () => {
  it("knows the class of each byte, in each lane of a sample", () => {
    for (let byte: u32 = 0; byte < 256; byte++) {
      for (let lane: u32 = 0; lane < 64; lane++) {
        memory.fill(text, byte < 128 ? 0xff : 0x20, 64);
        store<u8>(text + lane, <u8>byte);
        countWhole(64);
        if (valueOf(counts, classOf(byte)) != 1) {
          expect(valueOf(counts, classOf(byte))).toBe(1, `byte ${byte} in lane ${lane}`);
        }
      }
    }
    expect(sumOf(counts)).toBe(64);
  });

  it("counts each byte of texts of any length, at any alignment", () => {
    fillAtRandom(MOST);
    for (let length: u32 = 0; length < 300; length++) {
      counts.clear();
      counts.countBytes(text + (length & 15), length);
      expectExact(text + (length & 15), length);
    }
    for (let length: u32 = 3000; length <= ALL; length += 131) {
      countWhole(length);
      expectExact(text, length);
    }
    countWhole(ALL);
    expectExact(text, ALL);
  });

  it("counts thousands of bytes of one class, so no lane's sum overflows", () => {
    memory.fill(text, 0x61, MOST);
    countWhole(ALL);
    expect(counts.lower).toBe(ALL);
    countWhole(MOST);
    expect(counts.lower).toBe(MOST);
    expect(counts.other).toBe(0);
  });

  it("gives the same counts however a prompt is split", () => {
    fillAtRandom(MOST);
    for (let round = 0; round < 300; round++) {
      const length: u32 = 1 + (random.next() % (round & 1 ? MOST : 12000));
      const most: u32 = round % 3 == 0 ? 100 : round % 3 == 1 ? 700 : 20000;
      countWhole(length);
      pieces.clear();
      for (let at: u32 = 0; at < length; ) {
        const take = min(length - at, random.next() % most);
        pieces.countBytes(text + at, take);
        at += take;
        if (sumOf(pieces) != at) expect(sumOf(pieces)).toBe(at, "sum");
      }
      for (let kind: u32 = 0; kind <= HIGH; kind++) {
        if (valueOf(pieces, kind) != valueOf(counts, kind)) {
          expect(valueOf(pieces, kind)).toBe(valueOf(counts, kind), `class ${kind} of ${length} bytes, round ${round}`);
        }
      }
      expect(sumOf(counts)).toBe(length);
    }
  });

  it("samples long prompts close to their mix, also if the mix changes or repeats with the stretch", () => {
    // The second half has another mix than the first half. Within each half, classes repeat every 512 bytes.
    for (let i: u32 = 0; i < MOST; i++) {
      const upper = i < MOST / 2 ? i % 512 < 128 : i % 512 < 384;
      store<u8>(text + i, upper ? 0x51 : 0xc3);
    }
    countWhole(MOST);
    const expected = slowly(text, MOST, UPPER);
    expect(sumOf(counts)).toBe(MOST);
    expect(counts.lower).toBe(0);
    expect(abs(<i32>counts.upper - <i32>expected)).toBeLessThan(<i32>MOST / 50);
  });

  it("adds up when the rest after the counted beginning has no whole sample", () => {
    fillAtRandom(ALL + 800);
    for (let length: u32 = ALL + 1; length < ALL + 800; length += 7) {
      countWhole(length);
      if (sumOf(counts) != length) expect(sumOf(counts)).toBe(length);
      if (abs(<i32>counts.high - <i32>slowly(text, length, HIGH)) > 200) expect(length).toBe(0, "far off");
    }
    expect(sumOf(counts)).toBe(counts.bytes);
  });
});
