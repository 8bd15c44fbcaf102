export interface Named<T> {
  item: T;
  bytes: Buffer;
}

// JavaScript's order of strings differs from the order of their UTF-8 bytes above U+FFFF. The filter compares bytes.
export function sortedByBytes<T>(items: readonly T[], key: (item: T) => string): Named<T>[] {
  return items
    .map((item) => ({ item, bytes: Buffer.from(key(item), "utf8") }))
    .sort((a, b) => a.bytes.compare(b.bytes));
}
