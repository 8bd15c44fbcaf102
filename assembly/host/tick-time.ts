// The time of the last tick: good to a tick and free, where a host call per request would not be.
import { now } from "./calls";

let time: u64 = 0;
let ticked: u32 = 0;

export function readClock(): u64 {
  time = now();
  return time;
}

/** A tick begins. */
export function countTick(): void {
  ticked++;
}

/** Rises with every tick. */
export function ticks(): u32 {
  return ticked;
}

/** Nanoseconds since the Unix epoch, at most one tick old. */
export function tickTime(): u64 {
  return time;
}
