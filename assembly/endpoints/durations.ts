// How long responses take: the mean time from a request's first byte to its end, over this worker's requests.

/** Seconds that a response is assumed to take until the first response has ended. */
const FIRST_GUESS: f32 = 2;
const RATE_OF_LEARNING: f32 = 0.02;
let duration: f32 = FIRST_GUESS;

/** Learns that a response took `seconds` from its first byte to its end. */
export function learnDuration(seconds: f32): void {
  duration += RATE_OF_LEARNING * (seconds - duration);
}

/** Seconds from the first byte of a usual response to its end. */
export function usualDuration(): f32 {
  return duration;
}
