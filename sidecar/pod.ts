// A pod: where it is, what the cluster says of it, and what its scrapes have read.
import { isIPv6, SocketAddress } from "node:net";
import type { EngineName } from "./engines/index.ts";
import type { Reading } from "./engines/reading.ts";
import type { Health } from "./health.ts";

/** Where a pod is and how it is scraped, by discovery. */
export interface PodAddress {
  /** ip:port, as in the snapshot. Identifies the pod. */
  address: string;
  /** http://ip:port */
  origin: string;
  engine: EngineName;
  /** Absent: the place of this sidecar. */
  place?: string;
  /** The probe of a HealthCheckPolicy, which replaces the configuration's `health`. */
  probe?: { path: string; intervalMs: number; timeoutMs: number; failures: number; successes: number };
  /** The pod's state in its cluster. Absent: the pod is not from a cluster, and counts as ready and not draining. */
  cluster?: ClusterState;
}

interface ClusterState {
  ready: boolean;
  /** The pod terminates: in-flight requests may end, and new requests go elsewhere. */
  draining: boolean;
  asleep: boolean;
  /** The pools and Services that it belongs to: `InferencePool default/llama`. */
  of: string[];
}

/** A model that a pod lists in its response to /v1/models. */
export interface ListedModel {
  name: string;
  /** null for a base model. */
  parent: string | null;
}

/** All that is known of a pod. Its scraper writes everything but `place` and `cluster`, which discovery writes. */
export interface Pod extends PodAddress {
  health: Health;
  reading: Reading | null;
  /** Clock.now() at the start of the last good scrape: the reading is not older. */
  scrapedAt: number | null;
  /** The last response of /v1/models. Kept while the pod is down, since its models still exist. */
  models: readonly ListedModel[];
  /** For a gateway to another cluster: how many pods behind it are ready. */
  gateway?: number;
}

/** ip:port in the form that Envoy prints: Envoy compares the filter's header as text. */
export function podAddress(ip: string, port: number): string {
  if (!isIPv6(ip)) return `${ip}:${port}`;
  return `[${new SocketAddress({ address: ip, family: "ipv6" }).address}]:${port}`;
}
