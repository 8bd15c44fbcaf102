// The grammars of addresses and names, as the encoder, the sidecar and the filter all check them.
import { isIPv4 } from "node:net";
import { MAX_ADDRESS_BYTES, MAX_MODEL_NAME_BYTES } from "./constants.ts";

const PORT = /^[1-9][0-9]{0,4}$/;
// The grammar that the filter checks too. The full IPv6 grammar is the producer's duty: a wrong one never equals a
// host of Envoy's, and is then simply not picked.
const IPV6 = /^[0-9a-f.]*:[0-9a-f:.]*:[0-9a-f:.]*$/;

/** Whether `address` is `a.b.c.d:port` or `[ipv6]:port` as the wire wants it. */
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

/** What is wrong with a name, said as what was expected; null when nothing is. */
export function nameProblem(name: string, most: number = MAX_MODEL_NAME_BYTES): string | null {
  const bytes = Buffer.from(name, "utf8");
  if (bytes.length < 1 || bytes.length > most) return `1...${most} bytes of UTF-8`;
  // A lone surrogate does not survive the round trip.
  if (bytes.toString("utf8") !== name) return "well-formed Unicode";
  for (const byte of bytes) if (byte < 0x20 || byte === 0x7f) return "no control characters";
  return null;
}

const PLACE_NAME = /^[A-Za-z0-9_-]{1,63}$/;

export function isPlaceName(name: string): boolean {
  return PLACE_NAME.test(name);
}
