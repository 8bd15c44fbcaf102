/** A part of a multipart/form-data body. */
interface Part {
  name: string;
  filename: string | undefined;
  data: Buffer;
}

/** Returns the boundary in a content type, quoted or not; null: the type is not multipart/form-data, or has no boundary. */
export function boundaryOf(contentType: string | undefined): string | null {
  if (!/^\s*multipart\/form-data\s*(;|$)/i.test(contentType ?? "")) return null;
  const found = /;\s*boundary=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(contentType ?? "");
  return found?.[1]?.replace(/\\(.)/g, "$1") ?? found?.[2] ?? null;
}

/**
 * Splits a whole body into its parts (RFC 7578). Text before the first delimiter and after the closing delimiter is skipped.
 * Header names may be in any case. Returns null if the body is not a well-formed form.
 */
export function parseMultipart(body: Buffer, boundary: string): Part[] | null {
  const first = Buffer.from(`--${boundary}`);
  const next = Buffer.from(`\r\n--${boundary}`);
  let at = body.indexOf(first);
  if (at < 0) return null;
  at += first.length;
  const parts: Part[] = [];
  for (;;) {
    if (body.subarray(at, at + 2).toString("latin1") === "--") return parts;
    const lineEnd = body.indexOf("\r\n", at);
    const headersEnd = body.indexOf("\r\n\r\n", lineEnd);
    if (lineEnd < 0 || headersEnd < 0) return null;
    const end = body.indexOf(next, headersEnd + 2);
    if (end < 0) return null;
    const headers = body.subarray(lineEnd + 2, Math.max(lineEnd + 2, headersEnd)).toString("utf8");
    const disposition = /^content-disposition:\s*form-data(.*)$/im.exec(headers)?.[1];
    if (disposition !== undefined) {
      const name = parameter(disposition, "name");
      if (name !== undefined) {
        parts.push({
          name,
          filename: parameter(disposition, "filename"),
          data: body.subarray(Math.min(headersEnd + 4, end), end),
        });
      }
    }
    at = end + next.length;
  }
}

function parameter(text: string, name: string): string | undefined {
  const found = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]+))`, "i").exec(text);
  return found?.[1]?.replace(/\\(.)/g, "$1") ?? found?.[2];
}
