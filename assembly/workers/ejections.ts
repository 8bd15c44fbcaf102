// How workers learn of endpoints that another worker ejected (endpoints/health.ts).
//   pilotfish.ejected   Ejection records, the newest first. Written when an endpoint is ejected; the summary counts these.
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
  /** For how long it is out, ms. */
  milliseconds: u32 = 0;
  /** How many times in a row it was ejected. */
  level: u32 = 0;
}

const KEY = bytesOf("pilotfish.ejected");
const RECORD: u32 = offsetof<Ejection>();
const MAX_EJECTIONS: u32 = 256;
/** Nanoseconds. A record stays for this long after the endpoint came back, so that all workers know how often it was out. */
const REMEMBERED: u64 = 600000000000;
const records: usize = memory.data(MAX_EJECTIONS * RECORD, 8);
/** `ejections` of the summary when the records were last received. */
let received: u64 = 0;

/** This worker ejected the endpoint. */
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
    // The newest first: the oldest does not fit.
    own.endpoint = entry.hash;
    own.until = entry.health.ejectedUntil;
    own.milliseconds = entry.health.ejectionMilliseconds;
    own.level = entry.health.ejections;
    change.write(records, (kept + 1) * RECORD);
  }
  countEjection();
}

/** After readSummary(): ejects here what other workers ejected. */
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
