import { writeTo } from "../../../assembly/base/writer";
import { bytesAt, bytesLength } from "../support/builder";

const buffer: usize = memory.data(256, 8);

function numberText(value: u64): string {
  const writer = writeTo(buffer, 64);
  writer.number(value);
  return String.UTF8.decodeUnsafe(buffer, writer.length);
}

function fractionText(value: f32): string {
  const writer = writeTo(buffer, 64);
  writer.fraction(value);
  return String.UTF8.decodeUnsafe(buffer, writer.length);
}

function escapedText(text: string): string {
  const at = bytesAt(text);
  const writer = writeTo(buffer, 256);
  writer.escaped(at, bytesLength);
  return String.UTF8.decodeUnsafe(buffer, writer.length);
}

describe("writer", () => {
  test("writes numbers of every length", () => {
    expect(numberText(0)).toBe("0");
    expect(numberText(u64.MAX_VALUE)).toBe("18446744073709551615");
    let power: u64 = 1;
    for (let digits = 1; digits <= 20; digits++) {
      expect(numberText(power)).toBe("1" + "0".repeat(digits - 1));
      expect(numberText(power - 1)).toBe(digits == 1 ? "0" : "9".repeat(digits - 1));
      power *= 10;
    }
  });

  test("writes fractions with four decimals, rounded", () => {
    expect(fractionText(0)).toBe("0.0000");
    expect(fractionText(1)).toBe("1.0000");
    expect(fractionText(0.0625)).toBe("0.0625");
    expect(fractionText(0.99996)).toBe("1.0000");
    expect(fractionText(0.00004)).toBe("0.0000");
    expect(fractionText(0.0101)).toBe("0.0101");
  });

  test("escapes quotes, backslashes and control characters, and nothing else", () => {
    expect(escapedText('a"b\\c')).toBe('a\\"b\\\\c');
    expect(escapedText("\n\0\x1f\x7f")).toBe("\\u000a\\u0000\\u001f\x7f");
    expect(escapedText("/\u00fc\ud83d\udc1f")).toBe("/\u00fc\ud83d\udc1f");
  });

  test("drops what does not fit, sets `overflowed`, and touches nothing behind its room", () => {
    for (let room: u32 = 0; room < 10; room++) {
      memory.fill(buffer, 0xee, 256);
      const writer = writeTo(buffer, room);
      writer.raw("012345678");
      expect(writer.length).toBe(min<u32>(room, 9));
      expect(writer.overflowed).toBe(room < 9);
      expect(load<u8>(buffer + room)).toBe(0xee);
    }
  });

  test("writes bytes whole or not at all", () => {
    memory.fill(buffer, 0xee, 256);
    const at = bytesAt("abcdef");
    const writer = writeTo(buffer, 5);
    writer.bytes(at, 6);
    expect(writer.length).toBe(0);
    expect(writer.overflowed).toBe(true);
    writer.bytes(at, 0xffffffff);
    expect(writer.length).toBe(0);
    expect(load<u8>(buffer)).toBe(0xee);
    writer.bytes(at, 5);
    expect(writer.length).toBe(5);
  });

  test("begins a new text without the last text's overflow", () => {
    const full = writeTo(buffer, 1);
    full.raw("ab");
    expect(full.overflowed).toBe(true);
    expect(writeTo(buffer, 1).overflowed).toBe(false);
  });
});
