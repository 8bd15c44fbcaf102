// The time of the last tick. It is exact to one tick, and reading it costs nothing. The exact time would cost a host call.
import { now } from "./calls";

let time: u64 = 0;
let ticked: u32 = 0;

/** Reads the host's clock, which sets the tick time. Returns nanoseconds since the Unix epoch. */
export function readClock(): u64 {
  time = now();
  return time;
}

/** Call when a tick begins. */
export function countTick(): void {
  ticked++;
}

/** Returns the number of ticks so far. */
export function ticks(): u32 {
  return ticked;
}

/** Returns nanoseconds since the Unix epoch, at most one tick old. */
export function tickTime(): u64 {
  return time;
}
