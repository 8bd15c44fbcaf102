// Data that the workers of one Envoy share: proxy-wasm's shared data, one map for each vm_id, behind one mutex. Only this file
// calls the host for it. The layouts of the values are in the files beside this one.
import { Bytes, bytesOf } from "../base/bytes";
import {
  CAS_MISMATCH,
  getShared,
  OK,
  randomSeed,
  resultCas,
  resultLength,
  resultPointer,
  setShared,
} from "../host/calls";
import { count, SHARED_FAILED } from "../stats";

/** Workers that publish what they count. A worker beyond them receives what the others publish. */
export const MAX_WORKERS: u32 = 128;
/** Of the workers that change a value at the same moment, one succeeds in each round. */
const MAX_ATTEMPTS: u32 = MAX_WORKERS;

let id: u64 = 0;

/** A random number by which this worker knows its own values; never 0. */
export function workerId(): u64 {
  if (id == 0) id = randomSeed() | 1;
  return id;
}

/** Keys `<name>.0`, `<name>.1` and so on. Each is made when it is first needed. */
export class NumberedKeys {
  private name: string;
  private keys: StaticArray<usize>;

  constructor(name: string, count: u32) {
    this.name = name;
    this.keys = new StaticArray<usize>(count);
  }

  at(number: u32): Bytes {
    const known = this.keys[number];
    if (known) return changetype<Bytes>(known);
    const key = bytesOf(`${this.name}.${number}`);
    this.keys[number] = changetype<usize>(key);
    return key;
  }
}

/** A value as the host copied it: valid until the next host call that returns bytes. */
@unmanaged
class SharedValue {
  pointer: usize = 0;
  length: u32 = 0;
}

/** Reads a key. `length` is 0 where there is no value. The record is valid until the next call. */
export function readShared(key: Bytes): SharedValue {
  const value = changetype<SharedValue>(valueRecord);
  const found = getShared(key) == OK;
  value.pointer = found ? resultPointer() : 0;
  value.length = found ? resultLength() : 0;
  return value;
}

/** Replaces the value of a key, whatever it was. False: the host refused it, which is counted. */
export function writeShared(key: Bytes, value: usize, length: u32): bool {
  if (setShared(key, value, length, 0) == OK) return true;
  count(SHARED_FAILED);
  return false;
}

const TRYING: u32 = 0;
const MADE: u32 = 1;
const FAILED: u32 = 2;

/**
 * One change of a value under compare-and-swap. One change is made at a time:
 *
 *   const change = beginChange(KEY);
 *   while (change.next()) change.write(value, length);      value: made from change.pointer and change.length
 *   change.made()
 *
 * A loop that ends by itself has made the change, or it has failed, which is counted. A caller may leave the loop without a write.
 * Bound: a key without a value takes the first one without a condition, so two first values may overwrite each other.
 */
@unmanaged
export class Change {
  /** The present value; valid until the next host call that returns bytes. */
  pointer: usize = 0;
  /** 0: there is no value. */
  length: u32 = 0;
  private key: usize = 0;
  private cas: u32 = 0;
  private attempts: u32 = 0;
  private state: u32 = TRYING;

  begin(key: Bytes): void {
    this.key = changetype<usize>(key);
    this.attempts = 0;
    this.state = TRYING;
  }

  /** Reads the present value for another attempt. False: nothing is left to do. */
  next(): bool {
    if (this.state != TRYING) return false;
    if (this.attempts == MAX_ATTEMPTS) {
      this.fail();
      return false;
    }
    this.attempts++;
    const found = getShared(changetype<Bytes>(this.key)) == OK;
    this.cas = found ? resultCas() : 0;
    this.pointer = found ? resultPointer() : 0;
    this.length = found ? resultLength() : 0;
    return true;
  }

  /** Writes the value, if nobody changed it since next(). */
  write(value: usize, length: u32): void {
    const status = setShared(changetype<Bytes>(this.key), value, length, this.cas);
    if (status == OK) this.state = MADE;
    else if (status != CAS_MISMATCH) this.fail();
  }

  made(): bool {
    return this.state == MADE;
  }

  private fail(): void {
    this.state = FAILED;
    count(SHARED_FAILED);
  }
}

const valueRecord: usize = memory.data(offsetof<SharedValue>(), 8);
const changeRecord: usize = memory.data(offsetof<Change>(), 8);

export function beginChange(key: Bytes): Change {
  const change = changetype<Change>(changeRecord);
  change.begin(key);
  return change;
}
