// Prefix records one after the other, the oldest given up for the newest. Positions count bytes from the first record ever:
// who knows where it stopped reading can go on there.
import { PREFIX_BYTES } from "../../protocol/constants";
import { prefixBlocks } from "../snapshot/verify-traffic";

@unmanaged
export class Ring {
  /** Bytes [start, end) lie at `data`. */
  data: usize = 0;
  capacity: u32 = 0;
  start: u64 = 0;
  end: u64 = 0;

  get size(): u32 {
    return <u32>(this.end - this.start);
  }

  /** Takes in whole records, at most half of the capacity. */
  append(records: usize, bytes: u32): void {
    if (this.size + bytes > this.capacity) this.dropTo(this.capacity / 2 > bytes ? this.capacity / 2 - bytes : 0);
    memory.copy(this.data + this.size, records, bytes);
    this.end += bytes;
  }

  /** Gives up the oldest records until at most `bytes` are left. */
  dropTo(bytes: u32): void {
    const dropped = this.recordsBefore(bytes);
    memory.copy(this.data, this.data + dropped, this.size - dropped);
    this.start += dropped;
  }

  /** Bytes of the oldest records, such that at most `bytes` come behind them. */
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
