export interface Named<T> {
  item: T;
  bytes: Buffer;
}

// Byte order, not JavaScript's: above U+FFFF the two differ, and the filter compares bytes.
export function sortedByBytes<T>(items: readonly T[], key: (item: T) => string): Named<T>[] {
  return items
    .map((item) => ({ item, bytes: Buffer.from(key(item), "utf8") }))
    .sort((a, b) => a.bytes.compare(b.bytes));
}
