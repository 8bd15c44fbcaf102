// Makes a list of headers in the ABI's form. A NUL ends each name and each value:
//
//   pairs = u32 count, { u32 name length, u32 value length }, { name, NUL, value, NUL }
import { Bytes } from "../base/bytes";

/** `pairs` has names and values by turns. The result stays allocated. */
export function pairsOf(pairs: string[]): Bytes {
  const count = pairs.length >> 1;
  const encoded = new Array<ArrayBuffer>();
  let total = 4 + count * 8;
  for (let i = 0; i < pairs.length; i++) {
    const text = String.UTF8.encode(pairs[i]);
    total += text.byteLength + 1;
    encoded.push(text);
  }
  const pointer = heap.alloc(total);
  store<u32>(pointer, count);
  let texts = pointer + 4 + count * 8;
  for (let i = 0; i < encoded.length; i++) {
    const length = encoded[i].byteLength;
    store<u32>(pointer + 4 + i * 4, length);
    memory.copy(texts, changetype<usize>(encoded[i]), length);
    store<u8>(texts + length, 0);
    texts += length + 1;
  }
  const bytes = changetype<Bytes>(heap.alloc(offsetof<Bytes>()));
  bytes.pointer = pointer;
  bytes.length = total;
  return bytes;
}
