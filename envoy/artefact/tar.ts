// A tar and a gzip whose bytes depend only on the files: they contain no time, no owner and no version of a compressor. The gzip
// stores the files uncompressed, because zlib's output differs between versions and processors, and a module is small.

interface TarFile {
  name: string;
  bytes: Uint8Array;
}

const BLOCK = 512;

/** A POSIX ustar archive of plain files, mode 0644, owner 0. */
export function tar(files: readonly TarFile[]): Buffer {
  const parts: Buffer[] = [];
  for (const { name, bytes } of files) {
    parts.push(
      tarHeader(name, bytes.length),
      Buffer.from(bytes),
      Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK),
    );
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(parts);
}

function tarHeader(name: string, size: number): Buffer {
  if (Buffer.byteLength(name) > 99) throw new Error(`tar: the name ${name} is longer than 99 bytes`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number) =>
    header.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
  header.write(name, 0, "utf8");
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  header.fill(" ", 148, 156);
  header.write("0", 156, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

/** The files of an archive that tar() wrote. It supports no long names and no links. */
export function untar(archive: Buffer): TarFile[] {
  const files: TarFile[] = [];
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) break;
    const text = (from: number, to: number) => header.subarray(from, to).toString("latin1").split("\0")[0] as string;
    const size = Number.parseInt(text(124, 136), 8);
    if (!Number.isInteger(size) || at + BLOCK + size > archive.length) throw new Error(`tar: cut off at byte ${at}`);
    files.push({ name: text(0, 100), bytes: archive.subarray(at + BLOCK, at + BLOCK + size) });
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

const STORED_MAX = 0xffff;

/** A gzip of stored blocks. */
export function gzipStored(bytes: Buffer): Buffer {
  // The header has no name and no time; its level is "fastest" and its system "unknown".
  const parts: Buffer[] = [Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255])];
  for (let at = 0; at === 0 || at < bytes.length; at += STORED_MAX) {
    const block = bytes.subarray(at, at + STORED_MAX);
    const header = Buffer.alloc(5);
    header[0] = at + STORED_MAX >= bytes.length ? 1 : 0;
    header.writeUInt16LE(block.length, 1);
    header.writeUInt16LE(~block.length & 0xffff, 3);
    parts.push(header, block);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(bytes), 0);
  trailer.writeUInt32LE(bytes.length >>> 0, 4);
  parts.push(trailer);
  return Buffer.concat(parts);
}

const CRC_TABLE = new Uint32Array(256).map((_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] as number);
  return ~crc >>> 0;
}
