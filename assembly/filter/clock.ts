// The time of the last tick: good to a tick and free, where a host call per request would not be.
import { now } from "../host/calls";

/** Tick period of a worker that has requests; every root begins with it (ticker.ts). */
export const BUSY_TICK_MILLISECONDS: u32 = 20;

let time: u64 = 0;
let read: u32 = 0;

export function readClock(): u64 {
  time = now();
  read++;
  return time;
}

/** Rises with every tick. */
export function ticks(): u32 {
  return read;
}

/** Nanoseconds since the Unix epoch, at most one tick old. */
export function tickTime(): u64 {
  return time;
}
