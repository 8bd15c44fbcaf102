// The interface of a pod source, which reports the pods that exist.
import type { ClusterSeen } from "../kubernetes/cluster-objects.ts";
import type { PodAddress } from "../pod.ts";

/** Receives all pods of a source each time. A pod that a report leaves out is gone. */
export type ReportPods = (pods: readonly PodAddress[]) => void;

/** Where pods come from: addresses, a DNS name, a cluster, a folder of manifests. */
export interface PodSource {
  /** The source's name in logs and metrics. */
  name: string;
  start(report: ReportPods): void;
  close(): void;
  /** Returns the objects of its cluster, for people; absent: the source has no cluster. */
  seen?(): ClusterSeen;
}
