// A header map as Envoy keeps it: names are in lower case, values are bytes, headers keep the order of insertion, and a name
// may have several values.

type HeaderValue = string | Uint8Array;
export type HeaderInput = Record<string, HeaderValue | HeaderValue[]> | Iterable<readonly [string, HeaderValue]>;

const TOKEN = /^:?[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export class HeaderMap {
  /** Not private: deepEqual ignores private fields, so all header maps would be equal. */
  entries: { name: string; value: Buffer }[] = [];

  static from(input: HeaderInput): HeaderMap {
    const map = new HeaderMap();
    const pairs = Symbol.iterator in input ? input : Object.entries(input);
    for (const [name, value] of pairs as Iterable<readonly [string, HeaderValue | HeaderValue[]]>) {
      for (const one of Array.isArray(value) ? value : [value]) map.add(name, one);
    }
    return map;
  }

  /** Returns the first value of the name as text. */
  get(name: string): string | undefined {
    return this.bytes(name)?.toString("utf8");
  }

  bytes(name: string): Buffer | undefined {
    return this.entries.find((entry) => entry.name === name.toLowerCase())?.value;
  }

  all(name: string): string[] {
    return this.entries.filter((entry) => entry.name === name.toLowerCase()).map((entry) => entry.value.toString());
  }

  has(name: string): boolean {
    return this.bytes(name) !== undefined;
  }

  add(name: string, value: HeaderValue): void {
    this.entries.push({ name: name.toLowerCase(), value: Buffer.from(value as string) });
  }

  /** Writes the value where the first value stood, and drops the other values. */
  replace(name: string, value: HeaderValue): void {
    const first = this.entries.find((entry) => entry.name === name.toLowerCase());
    if (first) {
      first.value = Buffer.from(value as string);
      this.entries = this.entries.filter((entry) => entry === first || entry.name !== first.name);
    } else {
      this.add(name, value);
    }
  }

  remove(name: string): void {
    this.entries = this.entries.filter((entry) => entry.name !== name.toLowerCase());
  }

  get size(): number {
    return this.entries.length;
  }

  byteSize(): number {
    return this.entries.reduce((sum, entry) => sum + Buffer.byteLength(entry.name) + entry.value.length, 0);
  }

  pairs(): [string, Buffer][] {
    return this.entries.map((entry) => [entry.name, entry.value]);
  }

  /** Returns an object for assertions. It joins several values of a name by ", ". */
  toObject(): Record<string, string> {
    return Object.fromEntries(this.entries.map((entry) => [entry.name, this.all(entry.name).join(", ")]));
  }

  clone(): HeaderMap {
    return HeaderMap.from(this.pairs());
  }
}

/** Returns what is wrong with a header that a guest writes; undefined: the header is valid. */
export function headerFault(name: string, value: Uint8Array): string | undefined {
  if (!TOKEN.test(name)) return `the header name ${JSON.stringify(name)} is not an HTTP token`;
  for (const byte of value) {
    if (byte === 0 || byte === 10 || byte === 13) {
      return `the value of header ${name} has byte ${byte} (NUL, CR and LF cut or forge headers)`;
    }
  }
  return undefined;
}

/** Serialises a header list as the ABI does. */
export function serializePairs(pairs: [string, Uint8Array][]): Buffer {
  const head = Buffer.alloc(4 + pairs.length * 8);
  head.writeUInt32LE(pairs.length, 0);
  const texts: Uint8Array[] = [head];
  const nul = Buffer.alloc(1);
  pairs.forEach(([name, value], index) => {
    const bytes = Buffer.from(name);
    head.writeUInt32LE(bytes.length, 4 + index * 8);
    head.writeUInt32LE(value.length, 8 + index * 8);
    texts.push(bytes, nul, value, nul);
  });
  return Buffer.concat(texts);
}

/**
 * Reads a serialised header list. Returns undefined for a malformed list: Envoy uses an empty list then, and reports nothing.
 */
export function parsePairs(bytes: Buffer): [string, Buffer][] | undefined {
  if (bytes.length === 0) return [];
  if (bytes.length < 4 || bytes.length > 1024 * 1024) return undefined;
  const count = bytes.readUInt32LE(0);
  let at = 4 + count * 8;
  if (count > 1024 || at > bytes.length) return undefined;
  const text = (length: number): Buffer | undefined => {
    if (at + length + 1 > bytes.length || bytes[at + length] !== 0) return undefined;
    const taken = bytes.subarray(at, at + length);
    at += length + 1;
    return Buffer.from(taken);
  };
  const pairs: [string, Buffer][] = [];
  for (let index = 0; index < count; index++) {
    const name = text(bytes.readUInt32LE(4 + index * 8));
    const value = name && text(bytes.readUInt32LE(8 + index * 8));
    if (!name || !value) return undefined;
    pairs.push([name.toString(), value]);
  }
  return at === bytes.length ? pairs : undefined;
}
