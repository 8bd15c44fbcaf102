import type { PodAddress } from "../pod.ts";
import type { ClusterView } from "./objects.ts";

/** Where pods come from. A source tells all its pods each time; what it leaves out is gone. */
export interface Source {
  /** As logs and metrics call it. */
  name: string;
  start(report: (pods: readonly PodAddress[]) => void): void;
  close(): void;
  /** What a cluster said, for people to see; absent where the source knows no cluster. */
  seen?(): ClusterSeen;
}

export interface ClusterSeen extends ClusterView {
  source: string;
  /** `namespace/name` of the pools whose pods are endpoints. */
  followed: readonly string[];
  /** What objects ask for that could not be done. */
  problems: readonly string[];
  /** Where it is heard from, and how that goes. */
  watches: ReadonlyArray<{ of: string; state: string; objects: number }>;
}
