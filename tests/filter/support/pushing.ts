// Snapshots as a sidecar pushes them to the reserved path.
import { SECRET_HEADER } from "../../../protocol/constants.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import type { SnapshotView } from "../../../protocol/snapshot.ts";
import { SECRET, threePods } from "../../../testkit/filter/gateway.ts";

export const AUTHENTIC = { [SECRET_HEADER]: SECRET };

export function snapshot(version: bigint, view: Partial<SnapshotView> = {}): Uint8Array {
  return encodeSnapshot({ version, source: 7n, ...threePods(), ...view });
}
