import type { ClusterSeen } from "../kubernetes/cluster-objects.ts";
import type { PodAddress } from "../pod.ts";

/** Where pods come from. A source tells all its pods each time; what it leaves out is gone. */
export interface Source {
  /** As logs and metrics call it. */
  name: string;
  start(report: (pods: readonly PodAddress[]) => void): void;
  close(): void;
  /** What a cluster said, for people to see; absent where the source knows no cluster. */
  seen?(): ClusterSeen;
}
