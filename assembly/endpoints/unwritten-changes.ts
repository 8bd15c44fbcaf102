// Endpoints on which this worker's counts have changed since the worker last wrote them into the shared record
// (workers/shared-load.ts). Each endpoint of the current snapshot is in the list at most once.
import { Entry } from "./entry";

/** Most endpoints in the list. */
const MAX_CHANGES: u32 = 64;
/** A u32 for each: the endpoint's index in the snapshot. */
const list: usize = memory.data(MAX_CHANGES * 4, 4);
let length: u32 = 0;
let made: u32 = 0;

/** Adds an endpoint to the list. Returns false when the list is full. */
export function addChange(entry: Entry): bool {
  made++;
  if (entry.otherWorkers.changed) return true;
  if (length == MAX_CHANGES) return false;
  entry.otherWorkers.changed = true;
  store<u32>(list + length++ * 4, entry.endpoint);
  return true;
}

/** Number of endpoints in the list. */
export function changes(): u32 {
  return length;
}

/** How often an endpoint was added since the list was last empty. */
export function changesMade(): u32 {
  return made;
}

/** The endpoint at position `i`. */
export function changedEndpoint(i: u32): u32 {
  return load<u32>(list + i * 4);
}

/** Removes an endpoint. The last endpoint of the list takes its position. */
export function dropChange(i: u32, entry: Entry): void {
  entry.otherWorkers.changed = false;
  store<u32>(list + i * 4, changedEndpoint(--length));
  if (length == 0) made = 0;
}

/** Empties the list. Call when the endpoints have changed, which forgets OtherWorkers.changed too. */
export function forgetChanges(): void {
  length = 0;
  made = 0;
}
