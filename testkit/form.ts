// multipart/form-data bodies of which a test controls every byte.

interface Part {
  name: string;
  value: string | Uint8Array;
  filename?: string;
  /** Header lines that replace Content-Disposition and Content-Type. */
  head?: string;
}

export const BOUNDARY = "----pilotfish-4711";
export const FORM_TYPE = { "content-type": `multipart/form-data; boundary=${BOUNDARY}` };

export function form(parts: readonly Part[], boundary = BOUNDARY): Buffer {
  const pieces: Buffer[] = [];
  for (const { name, value, filename, head } of parts) {
    const file = filename === undefined ? "" : `; filename="${filename}"\r\nContent-Type: application/octet-stream`;
    pieces.push(
      Buffer.from(`--${boundary}\r\n${head ?? `Content-Disposition: form-data; name="${name}"${file}`}\r\n\r\n`),
    );
    pieces.push(Buffer.from(value), Buffer.from("\r\n"));
  }
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}

/** Every byte value, and text that resembles a boundary. */
export const NASTY_FILE = Buffer.concat([
  Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  Buffer.from(
    `\r\n--${BOUNDARY.slice(0, -1)}\r\n\r\n"model"\r\nContent-Disposition: form-data; name="model"\r\n\r\nnone\r\n`,
  ),
]);
