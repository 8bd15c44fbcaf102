// The fleets for the figures of docs/how-to/places.md.
import type { EndpointView, SnapshotView } from "../../protocol/snapshot.ts";

export interface Shape {
  name: string;
  /** Clusters with a listed endpoint for each pod, and pods of each. */
  clusters: number;
  pods: number;
  /** Further clusters, each with one endpoint that stands for all of its pods. */
  gateways: number;
  policy: boolean;
}

export const ONE_POD: Shape = { name: "one pod", clusters: 1, pods: 1, gateways: 0, policy: false };
export const ONE_CLUSTER: Shape = { name: "500 pods, no places", clusters: 1, pods: 500, gateways: 0, policy: false };
export const TWENTY_CLUSTERS: Shape = {
  name: "20 clusters of 500 pods, each pod listed",
  clusters: 20,
  pods: 500,
  gateways: 0,
  policy: true,
};
export const GATEWAYS: Shape = {
  name: "500 pods, and 19 clusters of 500 as gateways",
  clusters: 1,
  pods: 500,
  gateways: 19,
  policy: true,
};

/** Each `turn` has other loads. */
export function viewOf(shape: Shape, turn: number): Omit<SnapshotView, "version" | "source"> {
  const endpoints: EndpointView[] = [];
  const place = (cluster: number) => `cluster-${String(cluster).padStart(2, "0")}`;
  const idle = { ready: true, draining: false, asleep: false, scrapeAgeMs: 50, blockTokens: 16, maxLora: 0 };
  for (let cluster = 0; cluster < shape.clusters; cluster++) {
    for (let i = 0; i < shape.pods; i++) {
      const running = (i * 7 + turn + cluster) % 40;
      endpoints.push({
        ...idle,
        address: `10.${10 + cluster}.${i >> 7}.${1 + (i & 127)}:8000`,
        waiting: 0,
        running,
        // The load is near the target, so that some requests stay in the first place and others go to the next place.
        kvUsage: running / 65,
        kvBlocks: 32768,
        ...(shape.policy && { place: place(cluster) }),
      });
    }
  }
  for (let i = 0; i < shape.gateways; i++) {
    const load = { waiting: 0, running: 9000 + i, kvUsage: 0.4, kvBlocks: null };
    endpoints.push({
      ...idle,
      ...load,
      address: `10.${100 + i}.0.1:80`,
      place: place(1 + i),
      weight: 500,
      gateway: true,
    });
  }
  const model = {
    name: "m",
    kind: "base" as const,
    base: "m",
    endpoints: endpoints.map(({ address }) => ({ address, state: "listed" as const })),
  };
  if (!shape.policy) return { endpoints, models: [model] };
  const names = Array.from({ length: shape.clusters + shape.gateways }, (_, i) => place(i));
  return {
    endpoints,
    models: [{ ...model, policy: "m" }],
    places: names.map((name, i) => ({ name, order: Math.min(i, 2), roundTripUs: i * 10_000, weight: 1 })),
    policies: [
      {
        name: "m",
        mode: "utilization",
        target: 0.6,
        mostInFlight: null,
        timeoutMs: null,
        dryRun: false,
        short: false,
      },
    ],
  };
}
