// Reads the values of the section `admission`.
import { objectiveHash } from "../admission/objectives";
import { Bytes, bytesOf } from "../base/bytes";
import { pairsOf } from "../host/pairs";
import { Given } from "./given";

/** The priority of each objective that the configuration names: hashes[i] has priorities[i]. */
export class Objectives {
  hashes: u64[] = [];
  priorities: i32[] = [];
}

export function readObjectives(given: Given, max: i32): Objectives {
  const objectives = new Objectives();
  const names = given.object;
  const keys = names.keys();
  if (keys.length > max)
    given.problems.add(`${given.key}: ${keys.length} objectives given, at most ${max} are expected`);
  for (let i = 0; i < keys.length && i < max; i++) {
    const priority = new Given(given.problems, `${given.key}.${keys[i]}`, names.get(keys[i])!);
    const number = priority.number;
    if (number >= <f64>i32.MIN_VALUE && number <= <f64>i32.MAX_VALUE && number == Math.floor(number)) {
      const name = bytesOf(keys[i]);
      objectives.hashes.push(objectiveHash(name.pointer, name.length));
      objectives.priorities.push(<i32>number);
    } else priority.wrong("a priority, a whole number of 32 bits,");
  }
  return objectives;
}

/** Reads a share, a number above 0 and at most 1. */
export function readShare(given: Given): f64 {
  const share = given.number;
  if (share > 0 && share <= 1) return share;
  given.wrong("a number above 0, at most 1,");
  return 1;
}

/** Reads the duration of Retry-After. Returns the headers of a refusal that asks the client to wait. */
export function readRetryAfter(given: Given): Bytes {
  const milliseconds = given.duration(1000, 3600000);
  if (milliseconds % 1000 != 0) given.wrong("a duration of whole seconds");
  return busyHeaders(milliseconds / 1000);
}

export function busyHeaders(seconds: u32): Bytes {
  return pairsOf(["content-type", "application/json", "retry-after", seconds.toString()]);
}
