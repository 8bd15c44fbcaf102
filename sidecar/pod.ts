// A pod: its address, its state in the cluster, and its last readings.
import { isIPv6, SocketAddress } from "node:net";
import type { EngineName } from "./engines/index.ts";
import type { Reading } from "./engines/reading.ts";
import type { Health } from "./health.ts";

/** The address of a pod, and how the pod is scraped. Discovery writes both. */
export interface PodAddress {
  /** ip:port, as in the snapshot. Identifies the pod. */
  address: string;
  /** The URL http://ip:port of the pod. */
  origin: string;
  engine: EngineName;
  /** The place of the pod; absent: the place of this sidecar. */
  place?: string;
  /** The probe of a HealthCheckPolicy, which replaces the configuration's `health`. */
  probe?: { path: string; intervalMs: number; timeoutMs: number; failures: number; successes: number };
  /** The pod's state in its cluster. Absent: the pod is not from a cluster, and counts as ready and not draining. */
  cluster?: ClusterState;
}

interface ClusterState {
  ready: boolean;
  /** Whether the pod terminates. Its in-flight requests may end, and new requests go elsewhere. */
  draining: boolean;
  asleep: boolean;
  /** The pools and Services of the pod, such as `InferencePool default/llama`. */
  of: string[];
}

/** A model that a pod lists in its response to /v1/models. */
export interface ListedModel {
  name: string;
  /** The base model of an adapter; null: the model is a base model. */
  parent: string | null;
}

/**
 * Which page of its metrics a pod is asked for, and why (scrape/page/page-choice.ts):
 *
 *   restricted   only the samples that are used
 *   whole        the whole page, since nothing else was tried
 *   ignored, empty, partial, failed   the whole page, since the restricted page was as long, had no sample, lacked samples, or was
 *                no good response
 */
export type PageState = "restricted" | "whole" | "ignored" | "empty" | "partial" | "failed";

/** What this sidecar's scrapes cost a pod (scrape/page/scrape-cost.ts). */
interface PodCost {
  /** How many pages of each kind were read. */
  readonly pages: { readonly whole: number; readonly restricted: number };
  /** Bytes of all responses that were read. */
  readonly bytes: number;
  /** The smallest recent time to answer, ms; null: no page was read. */
  readonly leastMs: number | null;
  /** Returns the estimated share of the pod's time, 0 to 1, that scrapes took lately. `now`: Clock.now(), ms. */
  shareAt(now: number): number;
}

/**
 * All that the sidecar knows about a pod. Discovery writes the fields of PodAddress; the pod's scraper writes the other
 * fields.
 */
export interface Pod extends PodAddress {
  health: Health;
  reading: Reading | null;
  /** Clock.now() at the start of the good scrape that read the oldest of the reading's signals. The reading is not older. */
  scrapedAt: number | null;
  /** Clock.now() at the start of the last good scrape; absent: no scrape was good. */
  respondedAt?: number;
  /** The id of the sidecar that made this scrape (push/collector-election.ts); absent: this sidecar made it. */
  scrapedBy?: number;
  /** Absent: this sidecar does not scrape the pod. */
  page?: PageState;
  /** Planned time from the start of the last good scrape to the next scrape, ms; absent: no scrape was good. */
  paceMs?: number;
  cost?: PodCost;
  /** The models of the last response of /v1/models. They stay while the pod is down, since they still exist. */
  models: readonly ListedModel[];
  /** If the pod is the gateway of another cluster: the number of ready pods behind the gateway. */
  gateway?: number;
}

/** Returns ip:port in the form that Envoy prints, since Envoy compares the filter's header as text. */
export function podAddress(ip: string, port: number): string {
  if (!isIPv6(ip)) return `${ip}:${port}`;
  return `[${new SocketAddress({ address: ip, family: "ipv6" }).address}]:${port}`;
}
