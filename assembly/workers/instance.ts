// The identity of this Envoy in traffic reports: one random number for all VMs that share data.
//   pilotfish.instance   u64, never 0
import { bytesOf } from "../base/bytes";
import { randomSeed } from "../host/calls";
import { readShared, writeShared } from "./shared-data";

const KEY = bytesOf("pilotfish.instance");
const drawn: usize = memory.data(sizeof<u64>(), 8);

/** Drawn by the first worker that needs it. Of two that draw at once the later one's number stays. */
export function instanceId(): u64 {
  const known = readShared(KEY);
  if (known.length == sizeof<u64>()) return load<u64>(known.pointer);
  store<u64>(drawn, randomSeed() | 1);
  writeShared(KEY, drawn, sizeof<u64>());
  return load<u64>(drawn);
}
