// How many waiting requests each worker has. Workers with waiting requests share the room, and a gauge shows the sum.
//   pilotfish.waiting   MAX_WORKERS WaitingCount records
// A worker whose number has changed writes it on the tick. While the number is above 0, the worker writes it again every REFRESH. A
// worker that falls silent counts as 0. No worker reads the key while no request waits. Bound: two ticks after a worker began to hold
// requests, the others know its number.

import { bytesOf } from "../base/bytes";
import { MAX_WORKERS } from "../endpoints/shared-record";
import { HELD_NOW, record } from "../stats";
import { beginChange, Change, workerId } from "./shared-data";

@unmanaged
class WaitingCount {
  /** workerId() of the worker; 0: the record is free. */
  worker: u64 = 0;
  /** When the worker published the number, ns. */
  at: u64 = 0;
  requests: u64 = 0;
}

const KEY = bytesOf("pilotfish.waiting");
/** A worker with waiting requests writes its number at least this often, ns. */
const REFRESH: u64 = 500000000;
/** A number older than this counts as 0, ns. */
const SILENT: u64 = 1500000000;

const TABLE_BYTES: u32 = MAX_WORKERS * offsetof<WaitingCount>();
const table: usize = memory.data(TABLE_BYTES, 8);
/** The number that this worker published last. */
let published: u32 = 0;
let publishedAt: u64 = 0;
/** The value that this VM last set the gauge to; -1: none yet. */
let recorded: i64 = -1;
/** Number of other workers with waiting requests. */
let others: u32 = 0;

/** Returns the number of other workers with waiting requests. */
export function holdersBeside(): u32 {
  return others;
}

/** Call on the tick at `now`, ns. Publishes that this worker has `waiting` waiting requests, and receives the others' numbers. */
export function exchangeWaiting(waiting: u32, now: u64): void {
  if (waiting == 0 && published == 0 && recorded == 0) return;
  const due = waiting != published || (waiting > 0 && now - publishedAt > REFRESH);
  const change = beginChange(KEY);
  while (change.next()) {
    take(change);
    const own = due ? ownRecord(now) : null;
    if (own === null) break;
    own.worker = workerId();
    own.at = now;
    own.requests = waiting;
    change.write(table, TABLE_BYTES);
  }
  if (change.made()) {
    published = waiting;
    publishedAt = now;
  }
  sum(waiting, now);
}

function take(change: Change): void {
  memory.fill(table, 0, TABLE_BYTES);
  memory.copy(table, change.pointer, min(change.length, TABLE_BYTES));
}

function recordAt(i: u32): WaitingCount {
  return changetype<WaitingCount>(table + i * offsetof<WaitingCount>());
}

/** Returns this worker's record, else a free record; null: all records are taken. */
function ownRecord(now: u64): WaitingCount | null {
  let free: WaitingCount | null = null;
  for (let i: u32 = 0; i < MAX_WORKERS; i++) {
    const count = recordAt(i);
    if (count.worker == workerId()) return count;
    if (free === null && (count.worker == 0 || isSilent(count, now))) free = count;
  }
  return free;
}

function isSilent(count: WaitingCount, now: u64): bool {
  return now > count.at && now - count.at > SILENT;
}

/** Adds up the numbers of all workers, and sets the gauge to the sum. */
function sum(waiting: u32, now: u64): void {
  let total: u64 = waiting;
  others = 0;
  for (let i: u32 = 0; i < MAX_WORKERS; i++) {
    const count = recordAt(i);
    if (count.requests == 0 || count.worker == workerId() || isSilent(count, now)) continue;
    others++;
    total += count.requests;
  }
  // A worker with waiting requests sets the gauge on each tick, because another worker may have set it to an older sum in between.
  if (waiting == 0 && recorded == <i64>total) return;
  recorded = <i64>total;
  record(HELD_NOW, total);
}
