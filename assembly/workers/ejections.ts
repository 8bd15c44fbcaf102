// How workers share their ejections of endpoints (endpoints/health.ts).
//   pilotfish.ejected   Ejection records, the newest first
// A worker writes the value when it ejects an endpoint. `Summary.ejections` counts these writes.
import { bytesOf } from "../base/bytes";
import { findEntry } from "../endpoints/entries";
import { Entry } from "../endpoints/entry";
import { eject } from "../endpoints/health";
import { beginChange, readShared } from "./shared-data";
import { countEjection, summary } from "./summary";

@unmanaged
class Ejection {
  /** Hash of the endpoint's address. */
  endpoint: u64 = 0;
  /** When the endpoint comes back, ns. */
  until: u64 = 0;
  /** How long the ejection lasts, ms. */
  milliseconds: u32 = 0;
  /** How many times in a row the endpoint was ejected. */
  level: u32 = 0;
}

const KEY = bytesOf("pilotfish.ejected");
const RECORD: u32 = offsetof<Ejection>();
const MAX_EJECTIONS: u32 = 256;
/** A record stays for this long after the end of the ejection, ns, so that all workers know how often the endpoint was ejected. */
const REMEMBERED: u64 = 600000000000;
const records: usize = memory.data(MAX_EJECTIONS * RECORD, 8);
/** The value of Summary.ejections when this worker last received the records. */
let received: u64 = 0;

/** Call when this worker has ejected the endpoint. */
export function publishEjection(entry: Entry): void {
  const own = changetype<Ejection>(records);
  const change = beginChange(KEY);
  while (change.next()) {
    const known = change.length / RECORD;
    let kept: u32 = 0;
    for (let i: u32 = 0; i < known && kept < MAX_EJECTIONS - 1; i++) {
      const at = change.pointer + i * RECORD;
      const other = changetype<Ejection>(at);
      if (other.endpoint == entry.hash || other.until + REMEMBERED < entry.health.ejectedUntil) continue;
      memory.copy(records + ++kept * RECORD, at, RECORD);
    }
    // The newest record comes first. When the table is full, the oldest record is left out.
    own.endpoint = entry.hash;
    own.until = entry.health.ejectedUntil;
    own.milliseconds = entry.health.ejectionMilliseconds;
    own.level = entry.health.ejections;
    change.write(records, (kept + 1) * RECORD);
  }
  countEjection();
}

/** Call after readSummary(). Ejects the endpoints in this VM that other workers ejected. */
export function receiveEjections(): void {
  if (summary().ejections == received) return;
  received = summary().ejections;
  const value = readShared(KEY);
  for (let at = value.pointer; at + RECORD <= value.pointer + value.length; at += RECORD) {
    const ejection = changetype<Ejection>(at);
    const entry = findEntry(ejection.endpoint);
    if (entry === null || ejection.until <= entry.health.ejectedUntil) continue;
    eject(entry, ejection.until, ejection.milliseconds, ejection.level);
  }
}
