// Shared data of the workers of one Envoy. Proxy-wasm has one map for each vm_id, behind one mutex. Only this file makes the host
// calls for this map. The other files of this folder have the layouts of the values.
import { Bytes, bytesOf } from "../base/bytes";
import { MAX_WORKERS } from "../endpoints/shared-record";
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

/** When all workers change one value at the same moment, one succeeds in each round. So the last worker needs this many attempts. */
const MAX_ATTEMPTS: u32 = MAX_WORKERS;

let id: u64 = 0;

/** Returns the random number by which this worker recognises its own values. Never 0. */
export function workerId(): u64 {
  if (id == 0) id = randomSeed() | 1;
  return id;
}

/** The keys `<name>.0`, `<name>.1` and so on. A key's text is made when the key is first needed. */
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

/** A value as the host copied it. The bytes are valid until the next host call that returns bytes. */
@unmanaged
export class SharedValue {
  pointer: usize = 0;
  length: u32 = 0;
  /** Number of the value, for replaceShared(); 0: the key has no value. */
  cas: u32 = 0;
}

/** Reads a key's value. `length` is 0 when the key has no value. The record is valid until the next call. */
export function readShared(key: Bytes): SharedValue {
  const value = changetype<SharedValue>(valueRecord);
  const found = getShared(key) == OK;
  value.pointer = found ? resultPointer() : 0;
  value.length = found ? resultLength() : 0;
  value.cas = found ? resultCas() : 0;
  return value;
}

// Results of replaceShared().
export const REPLACED: u32 = 0;
export const OVERTAKEN: u32 = 1;
const REFUSED: u32 = 2;

/**
 * Replaces the value that readShared() has read under this `cas`. OVERTAKEN: another worker changed the value since. REFUSED: the host
 * does not accept the value. `cas` 0 replaces any value.
 */
export function replaceShared(key: Bytes, value: usize, length: u32, cas: u32): u32 {
  const status = setShared(key, value, length, cas);
  return status == OK ? REPLACED : status == CAS_MISMATCH ? OVERTAKEN : REFUSED;
}

/** Replaces a key's value, whatever the value was. Returns false when the host refused this; a counter counts the refusals. */
export function writeShared(key: Bytes, value: usize, length: u32): bool {
  if (setShared(key, value, length, 0) == OK) return true;
  count(SHARED_FAILED);
  return false;
}

// States of a Change.
const TRYING: u32 = 0;
const MADE: u32 = 1;
const FAILED: u32 = 2;

/**
 * A change of one value under compare-and-swap. A VM makes one change at a time, in this form:
 *
 *   const change = beginChange(KEY);
 *   while (change.next()) change.write(value, length);      value: made from change.pointer and change.length
 *   if (change.made()) ...
 *
 * When the loop ends by itself, the change was made or has failed; a counter counts failures. A caller may leave the loop without a
 * write. Bound: the host writes a key's first value without a condition, so two workers may overwrite each other's first value.
 */
@unmanaged
export class Change {
  /** Pointer to the present value, valid until the next host call that returns bytes. */
  pointer: usize = 0;
  /** Bytes of the present value; 0: the key has no value. */
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

  /** Reads the present value for another attempt. Returns false when the change was made or has failed. */
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

  /** Writes the new value, unless another worker changed the value since next(). */
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
