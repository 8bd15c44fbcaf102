// The kinds of values in a configuration. Each kind has a one-line text for its error message.
import { isIP } from "node:net";
import { z } from "zod";
import { DURATION, parseDuration, parseSize, SIZE } from "./duration.ts";

export function expected(text: string): { error: string } {
  return { error: text };
}

/**
 * Sets a key's text in the JSON Schema and the reference. `absent` describes the value without the key, if the key has no
 * default.
 */
export function described(description: string, absent?: string) {
  return { description, ...(absent !== undefined && { "x-absent": absent }) };
}

export function duration(min: string, max: string) {
  const least = parseDuration(min) ?? 0;
  const most = parseDuration(max) ?? Number.POSITIVE_INFINITY;
  const text = `a duration from ${min} to ${max}, such as 100ms or 2s`;
  return z
    .string(expected(text))
    .transform((value, context) => {
      const ms = parseDuration(value);
      if (ms !== undefined && ms >= least && ms <= most) return ms;
      context.addIssue(text);
      return z.NEVER;
    })
    .meta({ pattern: DURATION.source, "x-type": `duration, ${min} to ${max}` });
}

export function size(max: string) {
  const text = `a size up to ${max}, such as 64KiB or 4MiB`;
  return z
    .string(expected(text))
    .transform((value, context) => {
      const bytes = parseSize(value);
      if (bytes !== undefined && bytes <= (parseSize(max) ?? 0)) return bytes;
      context.addIssue(text);
      return z.NEVER;
    })
    .meta({ pattern: SIZE.source, "x-type": `size, up to ${max}` });
}

export function integer(min: number, max: number) {
  const text = `an integer from ${min} to ${max}`;
  return z.int(expected(text)).min(min, text).max(max, text);
}

export const file = z.string(expected("a file")).min(1, "a file").meta({ "x-type": "path of a file" });

export interface Origin {
  origin: string;
  host: string;
  port: number;
}

/** Reads a URL that has only scheme, host and port; undefined: the text is no such URL. */
export function parseOrigin(text: string, protocols: readonly string[]): Origin | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !protocols.includes(url.protocol) || url.hostname === "") return undefined;
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") return undefined;
  if (url.pathname !== "/") return undefined;
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  return { origin: url.origin, host: url.hostname.replace(/^\[|\]$/g, ""), port };
}

export function origin(protocols: readonly string[], text: string) {
  return z
    .string(expected(text))
    .transform((value, context) => {
      const parsed = parseOrigin(value, protocols);
      if (parsed !== undefined && parsed.port > 0) return parsed;
      context.addIssue(text);
      return z.NEVER;
    })
    .meta({
      pattern: `^(${protocols.map((protocol) => protocol.slice(0, -1)).join("|")})://[^/]+/?$`,
      "x-type": "URL without a path",
    });
}

export const path = z
  .string(expected("a path that begins with /"))
  .regex(/^\/[\x21-\x7e]*$/, "a path that begins with /")
  .meta({ "x-type": "path of a URL" });

export const hostName = z
  .string(expected("a host name"))
  .regex(/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$/, "a host name")
  .refine((name) => isIP(name) === 0, "a host name, not an address")
  .meta({ "x-type": "host name" });
