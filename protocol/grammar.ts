// The grammars of addresses and names, and their order. The encoder, the sidecar and the filter all check them.
import { isIPv4 } from "node:net";
import { MAX_ADDRESS_BYTES, MAX_MODEL_NAME_BYTES } from "./constants.ts";

const PORT = /^[1-9][0-9]{0,4}$/;
// The filter checks the same grammar. The producer must keep the full IPv6 grammar. A wrong address never equals the address of
// a host in Envoy's cluster, so Envoy ignores a pick of that address.
const IPV6 = /^[0-9a-f.]*:[0-9a-f:.]*:[0-9a-f:.]*$/;

/** Whether `address` is `a.b.c.d:port` or `[ipv6]:port`, in the form that a snapshot needs. */
export function isAddress(address: string): boolean {
  if (address.length > MAX_ADDRESS_BYTES) return false;
  const colon = address.lastIndexOf(":");
  const port = address.slice(colon + 1);
  if (colon < 0 || !PORT.test(port) || Number(port) > 65535) return false;
  const host = address.slice(0, colon);
  if (!host.startsWith("[")) return isIPv4(host);
  const inner = host.slice(1, -1);
  return host.endsWith("]") && inner.length <= 45 && IPV6.test(inner);
}

/** Returns what a valid name looks like, if this name is invalid; else null. */
export function nameProblem(name: string, most: number = MAX_MODEL_NAME_BYTES): string | null {
  const bytes = Buffer.from(name, "utf8");
  if (bytes.length < 1 || bytes.length > most) return `1...${most} bytes of UTF-8`;
  // UTF-8 cannot encode a lone surrogate, so the text changes when it is encoded and decoded.
  if (bytes.toString("utf8") !== name) return "well-formed Unicode";
  for (const byte of bytes) if (byte < 0x20 || byte === 0x7f) return "no control characters";
  return null;
}

const PLACE_NAME = /^[A-Za-z0-9_-]{1,63}$/;

export function isPlaceName(name: string): boolean {
  return PLACE_NAME.test(name);
}

export interface Named<T> {
  item: T;
  bytes: Buffer;
}

// The filter compares the UTF-8 bytes of names. JavaScript's order of strings differs from this order for characters above U+FFFF.
export function sortedByBytes<T>(items: readonly T[], key: (item: T) => string): Named<T>[] {
  return items
    .map((item) => ({ item, bytes: Buffer.from(key(item), "utf8") }))
    .sort((a, b) => a.bytes.compare(b.bytes));
}
