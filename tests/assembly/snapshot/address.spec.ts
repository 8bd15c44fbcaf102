import { isAddress } from "../../../assembly/snapshot/address";
import { bytesAt, bytesLength } from "../support/builder";

function accepts(text: string): bool {
  const at = bytesAt(text);
  return isAddress(at, bytesLength);
}

describe("address", () => {
  test("accepts IPv4 and a port", () => {
    const good = ["0.0.0.0:1", "255.255.255.255:65535", "10.0.0.1:8000", "127.0.0.1:80", "1.2.3.4:10"];
    for (let i = 0; i < good.length; i++) expect(accepts(good[i])).toBe(true, good[i]);
  });

  test("accepts IPv6 in brackets and a port", () => {
    const good = [
      "[::]:1",
      "[::1]:8000",
      "[2001:db8::1]:65535",
      "[::ffff:10.0.0.9]:80",
      "[1:2:3:4:5:6:7:8]:9",
      "[::2:3:4:5:6:7:8]:9",
      "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
    ];
    for (let i = 0; i < good.length; i++) expect(accepts(good[i])).toBe(true, good[i]);
  });

  test("refuses no port, and a port of 0, above 65535, with a leading zero, a sign or a blank", () => {
    const bad = ["1.2.3.4", "1.2.3.4:", ":80", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:99999", "1.2.3.4:080"];
    for (let i = 0; i < bad.length; i++) expect(accepts(bad[i])).toBe(false, bad[i]);
    const odd = [
      "1.2.3.4:+80",
      "1.2.3.4:-1",
      "1.2.3.4: 80",
      "1.2.3.4:80 ",
      "1.2.3.4:8a",
      "1.2.3.4:4294967377",
      "[::1]",
    ];
    for (let i = 0; i < odd.length; i++) expect(accepts(odd[i])).toBe(false, odd[i]);
  });

  test("refuses octets above 255, with leading zeros, too few, too many or empty", () => {
    const bad = ["256.0.0.1:1", "1.2.3.256:1", "01.2.3.4:1", "1.2.3.04:1", "1.2.3:1", "1.2.3.4.5:1", "1..3.4:1"];
    for (let i = 0; i < bad.length; i++) expect(accepts(bad[i])).toBe(false, bad[i]);
    const odd = [".1.2.3:1", "1.2.3.:1", "1.2.3.4.:1", "4294967297.2.3.4:1", "0x1.2.3.4:1", "1.2.3.-4:1", "::1:1"];
    for (let i = 0; i < odd.length; i++) expect(accepts(odd[i])).toBe(false, odd[i]);
  });

  test("refuses brackets that are empty, open, doubled, in upper case, with a zone, or too long", () => {
    const bad = ["[]:1", "[:]:1", "[1]:1", "[::1:1", "::1]:1", "[[::1]]:1", "[::A]:1", "[fe80::1%eth0]:1", "[g::]:1"];
    for (let i = 0; i < bad.length; i++) expect(accepts(bad[i])).toBe(false, bad[i]);
    expect(accepts("[::" + "1".repeat(43) + "]:1")).toBe(true);
    expect(accepts("[::" + "1".repeat(44) + "]:1")).toBe(false);
  });

  test("refuses bytes that would end or extend the destination header", () => {
    const bad = ["", "1.2.3.4:1,5.6.7.8:2", "1.2.3.4:1\r\nx: y", "1.2.3.4:1\0", "\t1.2.3.4:1", "host:80", "1.2.3.4;:1"];
    for (let i = 0; i < bad.length; i++) expect(accepts(bad[i])).toBe(false, bad[i]);
    const odd = ["[::1,::2]:1", "[::1]:1,", "[::1] :1", "[::\n]:1", "localhost", "1.2.3.4:1/x", "１.2.3.4:1"];
    for (let i = 0; i < odd.length; i++) expect(accepts(odd[i])).toBe(false, odd[i]);
  });
});
