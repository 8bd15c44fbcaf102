import { bytesEqual, bytesOf, equalConstantTime, startsWith } from "../../../assembly/base/bytes";

function same(a: string, b: string): bool {
  const x = bytesOf(a);
  const y = bytesOf(b);
  return equalConstantTime(x.pointer, x.length, y.pointer, y.length);
}

describe("comparison in constant time", () => {
  const secret = "0123456789abcdef";

  test("is true for equal texts only", () => {
    expect(same(secret, secret)).toBe(true);
    for (let i = 0; i < secret.length; i++) {
      expect(same(secret.substring(0, i) + "x" + secret.substring(i + 1), secret)).toBe(false);
    }
  });

  test("sees another length, also where the longer text repeats the shorter", () => {
    for (let i = 0; i < secret.length; i++) expect(same(secret.substring(0, i), secret)).toBe(false);
    expect(same(secret + secret, secret)).toBe(false);
    expect(same(secret, secret + secret)).toBe(false);
    expect(same(secret + "0", secret)).toBe(false);
  });

  test("is false without a secret, whatever is given", () => {
    expect(same("", "")).toBe(false);
    expect(same("a", "")).toBe(false);
    expect(equalConstantTime(0, 0, 0, 0)).toBe(false);
    expect(same("", secret)).toBe(false);
  });

  test("sees differences that cancel each other out", () => {
    expect(same("ba", "ab")).toBe(false);
    expect(same("\u0001\u0001aaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa")).toBe(false);
  });
});

describe("bytes", () => {
  test("are UTF-8, and equal when length and content are", () => {
    const a = bytesOf("\u00fc");
    expect(a.length).toBe(2);
    expect(bytesEqual(a.pointer, 2, bytesOf("\u00fc").pointer, 2)).toBe(true);
    expect(bytesEqual(a.pointer, 1, a.pointer, 2)).toBe(false);
    expect(bytesEqual(a.pointer, 0, bytesOf("x").pointer, 0)).toBe(true);
  });

  test("start with their beginning, and with nothing that is longer", () => {
    const text = bytesOf("/v1/models");
    const prefix = bytesOf("/v1/");
    const other = bytesOf("/v2/");
    expect(startsWith(text.pointer, text.length, prefix.pointer, prefix.length)).toBe(true);
    expect(startsWith(text.pointer, text.length, text.pointer, 0)).toBe(true);
    expect(startsWith(text.pointer, text.length, other.pointer, other.length)).toBe(false);
    expect(startsWith(prefix.pointer, prefix.length, text.pointer, text.length)).toBe(false);
  });
});
