import type { ClusterSeen } from "../kubernetes/cluster-objects.ts";
import type { PodAddress } from "../pod.ts";

/** Takes all pods of a source each time: a pod that is left out is gone. */
export type ReportPods = (pods: readonly PodAddress[]) => void;

/** Where pods come from: addresses, a DNS name, a cluster, a folder of manifests. */
export interface PodSource {
  /** In logs and metrics. */
  name: string;
  start(report: ReportPods): void;
  close(): void;
  /** The objects of its cluster, for people to see; absent: the source has no cluster. */
  seen?(): ClusterSeen;
}
