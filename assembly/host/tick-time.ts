// The time of the last tick. It is good to a tick and costs nothing, unlike a host call for each request.
import { now } from "./calls";

let time: u64 = 0;
let ticked: u32 = 0;

export function readClock(): u64 {
  time = now();
  return time;
}

/** Called when a tick begins. */
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
