// A ring of prefix records. New records displace the oldest. A position counts the bytes since the first record that was ever
// appended, so a reader that remembers its position can continue there.
import { PREFIX_BYTES } from "../../protocol/constants";
import { prefixBlocks } from "../snapshot/verify-traffic";

@unmanaged
export class Ring {
  /** Memory with the bytes at the positions [start, end). */
  data: usize = 0;
  capacity: u32 = 0;
  start: u64 = 0;
  end: u64 = 0;

  get size(): u32 {
    return <u32>(this.end - this.start);
  }

  /** Drops all records, and goes on at another position. */
  restart(position: u64): void {
    this.start = position;
    this.end = position;
  }

  /** Appends whole records, at most the capacity. When they do not fit, drops the oldest records first. */
  append(records: usize, bytes: u32): void {
    if (this.size + bytes > this.capacity) this.dropTo(this.capacity / 2 > bytes ? this.capacity / 2 - bytes : 0);
    memory.copy(this.data + this.size, records, bytes);
    this.end += bytes;
  }

  /** Drops the oldest records until at most `bytes` are left. */
  dropTo(bytes: u32): void {
    const dropped = this.recordsBefore(bytes);
    memory.copy(this.data, this.data + dropped, this.size - dropped);
    this.start += dropped;
  }

  /** Returns how many bytes of the oldest records must go, so that at most `bytes` remain. */
  recordsBefore(bytes: u32): u32 {
    let at: u32 = 0;
    while (this.size - at > bytes) at += PREFIX_BYTES + prefixBlocks(this.data + at) * 8;
    return at;
  }
}

export function newRing(capacity: u32): Ring {
  const ring = changetype<Ring>(heap.alloc(offsetof<Ring>()));
  ring.data = heap.alloc(capacity);
  ring.capacity = capacity;
  ring.start = 0;
  ring.end = 0;
  return ring;
}
