// The guest's linear memory. The host checks every pointer before it reads or writes.
import { Result } from "./codes.ts";

/** The members of a VM that its memory uses. */
export interface MemoryOwner {
  readonly linearMemory: WebAssembly.Memory;
  /** Calls the guest's allocator. Returns 0 if the guest declines. */
  allocate(bytes: number): number;
  refuse(result: number, sentence: string): number;
}

export class GuestMemory {
  readonly #owner: MemoryOwner;

  constructor(owner: MemoryOwner) {
    this.#owner = owner;
  }

  get byteLength(): number {
    return this.#owner.linearMemory.buffer.byteLength;
  }

  get #bytes(): Uint8Array {
    return new Uint8Array(this.#owner.linearMemory.buffer);
  }

  /**
   * Returns a copy of [pointer, pointer + length). For a range outside the memory it returns undefined, and throws in strict
   * mode.
   */
  read(pointer: number, length: number, what: string): Buffer | undefined {
    if (!this.#inside(pointer, length, what)) return undefined;
    return Buffer.from(this.#bytes.subarray(pointer, pointer + length));
  }

  text(pointer: number, length: number, what: string): string | undefined {
    return this.read(pointer, length, what)?.toString("utf8");
  }

  /** Writes the bytes if their range is inside the memory. Returns whether it is. */
  write(pointer: number, bytes: Uint8Array, what: string): boolean {
    if (!this.#inside(pointer, bytes.length, what)) return false;
    this.#bytes.set(bytes, pointer);
    return true;
  }

  setWord(pointer: number, value: number, what: string): boolean {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    return this.write(pointer, bytes, what);
  }

  setWord64(pointer: number, value: bigint, what: string): boolean {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
    return this.write(pointer, bytes, what);
  }

  /**
   * Hands bytes to the guest as the ABI does. They go into memory from the guest's allocator; pointer and length go to two
   * addresses. Empty bytes allocate nothing. Returns a result code.
   */
  give(bytes: Uint8Array, pointerAt: number, lengthAt: number, what: string): number {
    let pointer = 0;
    if (bytes.length > 0) {
      pointer = this.#owner.allocate(bytes.length);
      // A guest declines with 0. Envoy then reports a failed call.
      if (pointer === 0) return Result.InvalidMemoryAccess;
      if (!this.write(pointer, bytes, `what proxy_on_memory_allocate(${bytes.length}) returned for ${what}`)) {
        return Result.InvalidMemoryAccess;
      }
    }
    const done =
      this.setWord(pointerAt, pointer, `${what}'s result pointer`) &&
      this.setWord(lengthAt, bytes.length, `${what}'s result length`);
    return done ? Result.Ok : Result.InvalidMemoryAccess;
  }

  #inside(pointer: number, length: number, what: string): boolean {
    const size = this.byteLength;
    if (pointer + length <= size) return true;
    this.#owner.refuse(0, `${what}: [${pointer}, ${pointer} + ${length}) leaves the memory of ${size} bytes`);
    return false;
  }
}
