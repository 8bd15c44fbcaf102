// How many waiting requests each worker holds, so that the workers share the room, and for the gauge.
//   pilotfish.waiting   MAX_WORKERS WaitingCount records
// A worker whose number changed writes it on the tick, and again every REFRESH while it holds any. A worker that falls silent
// holds none. Nobody reads the key while nothing is held. Bound: the others know two ticks later that a worker holds requests.
import { bytesOf } from "../base/bytes";
import { HELD_NOW, record } from "../stats";
import { beginChange, Change, MAX_WORKERS, workerId } from "./shared-data";

@unmanaged
class WaitingCount {
  /** workerId() of the worker; 0: the record is free. */
  worker: u64 = 0;
  /** When the worker published it, ns. */
  at: u64 = 0;
  requests: u64 = 0;
}

const KEY = bytesOf("pilotfish.waiting");
/** Nanoseconds. */
const REFRESH: u64 = 500000000;
const SILENT: u64 = 1500000000;

const TABLE_BYTES: u32 = MAX_WORKERS * offsetof<WaitingCount>();
const table: usize = memory.data(TABLE_BYTES, 8);
let published: u32 = 0;
let publishedAt: u64 = 0;
/** What the gauge was set to; a new VM does not know. */
let recorded: i64 = -1;
let others: u32 = 0;

/** Workers beside this one that hold requests. */
export function holdersBeside(): u32 {
  return others;
}

/** On the tick at `now`, ns: this worker holds `waiting` requests. */
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

/** This worker's record, else a free one; null: all are taken. */
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

function sum(waiting: u32, now: u64): void {
  let total: u64 = waiting;
  others = 0;
  for (let i: u32 = 0; i < MAX_WORKERS; i++) {
    const count = recordAt(i);
    if (count.requests == 0 || count.worker == workerId() || isSilent(count, now)) continue;
    others++;
    total += count.requests;
  }
  // Another worker may have set the gauge by an older sum in between. A worker that holds requests sets it on each tick.
  if (waiting == 0 && recorded == <i64>total) return;
  recorded = <i64>total;
  record(HELD_NOW, total);
}
