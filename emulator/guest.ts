// The guest's linear memory, seen by a host that checks every pointer.
import { Result } from "./codes.ts";
import type { Vm } from "./vm.ts";

export class Guest {
  readonly #vm: Vm;

  constructor(vm: Vm) {
    this.#vm = vm;
  }

  get #bytes(): Uint8Array {
    return new Uint8Array(this.#vm.memory.buffer);
  }

  /** A copy of [pointer, pointer + length); undefined (lenient) or a violation when that leaves the memory. */
  read(pointer: number, length: number, what: string): Buffer | undefined {
    if (!this.#inside(pointer, length, what)) return undefined;
    return Buffer.from(this.#bytes.subarray(pointer, pointer + length));
  }

  text(pointer: number, length: number, what: string): string | undefined {
    return this.read(pointer, length, what)?.toString("utf8");
  }

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

  /** The way of every result of bytes: the guest's allocator, then pointer and length. Empty results allocate nothing. */
  give(bytes: Uint8Array, pointerAt: number, lengthAt: number, what: string): number {
    let pointer = 0;
    if (bytes.length > 0) {
      pointer = this.#vm.allocate(bytes.length);
      // 0 is the guest's way to decline; Envoy reports it as a failed call.
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
    const size = this.#vm.memory.buffer.byteLength;
    if (pointer + length <= size) return true;
    this.#vm.refuse(0, `${what}: [${pointer}, ${pointer} + ${length}) leaves the memory of ${size} bytes`);
    return false;
  }
}
