import { isIPv6, SocketAddress } from "node:net";
import type { EngineName } from "./engines/index.ts";
import type { Reading } from "./engines/reading.ts";
import type { Health } from "./health.ts";

/** Where a pod is and how it is spoken to, as discovery found it. */
export interface PodAddress {
  /** ip:port as the snapshot has it; identifies the pod. */
  address: string;
  /** http://ip:port */
  origin: string;
  engine: EngineName;
  /** Where it is; absent: in the place of this sidecar. */
  place?: string;
  /** How it is probed, where a HealthCheckPolicy says so; in place of the configuration's `health`. */
  probe?: { path: string; intervalMs: number; timeoutMs: number; failures: number; successes: number };
  /** What the cluster says of it; absent where no cluster was asked, and then nothing speaks against the pod. */
  cluster?: ClusterState;
}

interface ClusterState {
  ready: boolean;
  /** It ends: what runs there is finished, nothing new is sent. */
  draining: boolean;
  asleep: boolean;
  /** The pools and Services that it belongs to. */
  of: string[];
}

/** A model that a pod lists in its response to /v1/models. */
export interface ListedModel {
  name: string;
  /** null for a base model. */
  parent: string | null;
}

/** What is known of a pod; written by its scraper only, but for `cluster`, which discovery writes. */
export interface Pod extends PodAddress {
  health: Health;
  reading: Reading | null;
  /** Clock.now() when the last good scrape was asked for: the reading is at least as new. */
  scrapedAt: number | null;
  /** The last answer of /v1/models, kept while the pod is down: its models exist, they are only not served there. */
  models: readonly ListedModel[];
  /** Of a gateway to another cluster, for which it stands: the pods behind it that are ready. */
  gateway?: number;
}

/** ip and port as Envoy prints them; the filter's header is compared as text. */
export function podAddress(ip: string, port: number): string {
  if (!isIPv6(ip)) return `${ip}:${port}`;
  return `[${new SocketAddress({ address: ip, family: "ipv6" }).address}]:${port}`;
}
