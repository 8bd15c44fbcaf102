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
