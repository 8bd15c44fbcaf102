// Writes JSON text into a fixed buffer, without allocating. Text that does not fit is dropped, and `overflowed` is set.

@unmanaged
export class Writer {
  start: usize = 0;
  at: usize = 0;
  end: usize = 0;
  overflowed: bool = false;

  get length(): u32 {
    return <u32>(this.at - this.start);
  }

  byte(value: u32): void {
    if (this.at >= this.end) {
      this.overflowed = true;
      return;
    }
    store<u8>(this.at++, value);
  }

  /** Writes an ASCII literal unchanged. */
  raw(text: string): void {
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
  }

  bytes(pointer: usize, length: u32): void {
    if (<usize>length > this.end - this.at) {
      this.overflowed = true;
      return;
    }
    memory.copy(this.at, pointer, length);
    this.at += length;
  }

  number(value: u64): void {
    let divisor: u64 = 1;
    while (value / divisor >= 10) divisor *= 10;
    for (; divisor > 0; divisor /= 10) this.byte(0x30 + <u32>((value / divisor) % 10));
  }

  /** Writes a fraction in 0...1, or another small number, rounded to four decimals. */
  fraction(value: f32): void {
    const scaled = <u64>Math.round(<f64>value * 10000);
    this.number(scaled / 10000);
    this.byte(0x2e);
    const decimals = <u32>(scaled % 10000);
    this.byte(0x30 + decimals / 1000);
    this.byte(0x30 + ((decimals / 100) % 10));
    this.byte(0x30 + ((decimals / 10) % 10));
    this.byte(0x30 + (decimals % 10));
  }

  /** Writes a number from 0 on, rounded to six decimals, without zeros at its end. */
  decimal(value: f32): void {
    const scaled = <u64>Math.round(<f64>value * 1000000);
    this.number(scaled / 1000000);
    let rest = <u32>(scaled % 1000000);
    if (rest == 0) return;
    this.byte(0x2e);
    for (let unit: u32 = 100000; rest > 0; unit /= 10) {
      this.byte(0x30 + rest / unit);
      rest %= unit;
    }
  }

  /** Writes UTF-8 bytes as the inside of a JSON string. */
  escaped(pointer: usize, length: u32): void {
    for (let i: u32 = 0; i < length; i++) {
      const c: u32 = load<u8>(pointer + i);
      if (c == 0x22 || c == 0x5c) {
        this.byte(0x5c);
        this.byte(c);
      } else if (c < 0x20) {
        this.raw("\\u00");
        this.byte(0x30 + (c >> 4));
        this.byte((c & 15) < 10 ? 0x30 + (c & 15) : 0x57 + (c & 15));
      } else this.byte(c);
    }
  }
}

const writer = changetype<Writer>(heap.alloc(offsetof<Writer>()));

/** The VM's only writer, set to the beginning of `capacity` bytes at `start`. */
export function writeTo(start: usize, capacity: u32): Writer {
  writer.start = start;
  writer.at = start;
  writer.end = start + capacity;
  writer.overflowed = false;
  return writer;
}
