// How many requests each worker holds, so that they share the room, and for the gauge. One value in shared data, replaced
// under compare-and-swap by a worker whose number changed, on the tick:
//   pilotfish.held   MOST times { u64 nonce of the worker, u64 ns when told, u64 requests held }
// A worker tells again every REFRESH while it holds any; one that falls silent holds none. Nobody reads it while nothing is
// held. Bound: a worker that begins to hold is known to the others two ticks later.
import { bytesOf } from "../base/bytes";
import { getShared, OK, randomSeed, resultCas, resultLength, resultPointer, setShared } from "../host/calls";
import { HELD_NOW, record } from "../stats";

const MOST: u32 = 128;
const ENTRY: u32 = 24;
const TABLE: u32 = 3072;
const REFRESH: u64 = 500000000;
const SILENT: u64 = 1500000000;

const HELD = bytesOf("pilotfish.held");
const table: usize = memory.data(3072, 8);
let nonce: u64 = 0;
let told: u32 = 0;
let toldAt: u64 = 0;
/** What the gauge was set to; a new VM does not know. */
let recorded: i64 = -1;
let others: u32 = 0;

/** Workers beside this one that hold requests. */
export function holdersBeside(): u32 {
  return others;
}

/** On the tick: this worker holds `held`. */
export function tellHeld(held: u32, now: u64): void {
  if (held == 0 && told == 0 && recorded == 0) return;
  const due = held != told || (held > 0 && now - toldAt > REFRESH);
  // Two workers that tell in the same moment: the slower one tells once more.
  for (let attempt = 0; attempt < 4; attempt++) {
    read();
    if (!due || write(held, now)) break;
  }
  sum(held, now);
}

/** `table` is what is shared; its cas stays in resultCas(). */
function read(): void {
  memory.fill(table, 0, TABLE);
  if (getShared(HELD) == OK) memory.copy(table, resultPointer(), min(resultLength(), TABLE));
}

function write(held: u32, now: u64): bool {
  if (nonce == 0) nonce = randomSeed() | 1;
  const cas = resultCas();
  let own: usize = 0;
  for (let i: u32 = 0; i < MOST; i++) {
    const at = table + i * ENTRY;
    if (load<u64>(at) == nonce) {
      own = at;
      break;
    }
    if (!own && (load<u64>(at) == 0 || isSilent(at, now))) own = at;
  }
  if (!own) return true;
  store<u64>(own, nonce);
  store<u64>(own, now, 8);
  store<u64>(own, held, 16);
  if (setShared(HELD, table, TABLE, cas) != OK) return false;
  told = held;
  toldAt = now;
  return true;
}

function isSilent(at: usize, now: u64): bool {
  const then = load<u64>(at, 8);
  return now > then && now - then > SILENT;
}

function sum(held: u32, now: u64): void {
  let total: u64 = held;
  others = 0;
  for (let i: u32 = 0; i < MOST; i++) {
    const at = table + i * ENTRY;
    const count = load<u64>(at, 16);
    if (count == 0 || load<u64>(at) == nonce || isSilent(at, now)) continue;
    others++;
    total += count;
  }
  // Another worker may have set the gauge by an older sum in between: who holds any sets it on each tick.
  if (held == 0 && recorded == <i64>total) return;
  recorded = <i64>total;
  record(HELD_NOW, total);
}
