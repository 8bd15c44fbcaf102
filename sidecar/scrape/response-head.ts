// Reads the head of an HTTP/1.1 response: the status line, and the headers that decide where the body ends
// (response-reader.ts).
import { HttpFailure } from "../http.ts";

export interface Head {
  status: number;
  encoding: string | undefined;
  /** Whether the connection may be used again after a whole body. */
  keepAlive: boolean;
}

interface ParsedHead {
  head: Head;
  /** The value of content-length; undefined: the header is missing. */
  length: number | undefined;
  chunked: boolean;
}

export function invalid(what: string): HttpFailure {
  return new HttpFailure("invalid", `not a response of HTTP/1.1: ${what}`);
}

/**
 * Reads a head. `text`: status line and headers, each with its CRLF. Throws an HttpFailure if the end of the body is
 * uncertain.
 */
export function parseHead(text: string): ParsedHead {
  const lines = text.split("\r\n");
  const status = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: |$)/.exec(lines[0] as string);
  if (status === null) throw invalid(JSON.stringify((lines[0] as string).slice(0, 60)));
  const code = Number(status[2]);
  let length: number | undefined;
  let chunked = false;
  let encoding: string | undefined;
  let keepAlive = status[1] === "1";
  for (let i = 1; i < lines.length - 1; i++) {
    const line = lines[i] as string;
    const colon = line.indexOf(":");
    if (colon <= 0) throw invalid("a header without a name");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === "content-length") {
      if (!/^[0-9]{1,15}$/.test(value) || (length !== undefined && length !== Number(value)))
        throw invalid("content-length");
      length = Number(value);
    } else if (name === "transfer-encoding") {
      if (chunked || value.toLowerCase() !== "chunked") throw invalid("transfer-encoding");
      chunked = true;
    } else if (name === "content-encoding") encoding = value.toLowerCase();
    else if (name === "connection") keepAlive = keepAliveOf(value, keepAlive);
  }
  if (chunked && length !== undefined) throw invalid("both content-length and transfer-encoding");
  if (code === 101) throw invalid("another protocol");
  return { head: { status: code, encoding, keepAlive }, length, chunked };
}

function keepAliveOf(value: string, otherwise: boolean): boolean {
  const tokens = value.toLowerCase().split(",");
  for (const token of tokens) if (token.trim() === "close") return false;
  for (const token of tokens) if (token.trim() === "keep-alive") return true;
  return otherwise;
}
