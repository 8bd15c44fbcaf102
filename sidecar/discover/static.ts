// The pod source of addresses that the configuration names.
import type { PodAddress } from "../pod.ts";
import type { PodSource } from "./pod-source.ts";

/** Reports the configured pods once, at its start. */
export function staticSource(pods: readonly PodAddress[]): PodSource {
  return { name: "static", start: (report) => report(pods), close: () => {} };
}
