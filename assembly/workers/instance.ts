// The identity of this Envoy in traffic reports. All VMs that share data have one random number in common.
//   pilotfish.instance   u64, never 0
import { bytesOf } from "../base/bytes";
import { randomSeed } from "../host/calls";
import { readShared, writeShared } from "./shared-data";

const KEY = bytesOf("pilotfish.instance");
const drawn: usize = memory.data(sizeof<u64>(), 8);

/** Returns the identity. The first worker that needs it draws it. If two workers draw at once, the number that is written last stays. */
export function instanceId(): u64 {
  const known = readShared(KEY);
  if (known.length == sizeof<u64>()) return load<u64>(known.pointer);
  store<u64>(drawn, randomSeed() | 1);
  writeShared(KEY, drawn, sizeof<u64>());
  return load<u64>(drawn);
}
