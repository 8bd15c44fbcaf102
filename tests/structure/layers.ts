// The order in which the code may import. A layer may import itself and the layers of the rows above its own: never a row below,
// and never another layer of its row. ARCHITECTURE.md draws the same order. The longest path that fits a file is its layer.

export interface Layer {
  /** A folder, or one file. */
  path: string;
  /** Pure: no path of imports of any length leads from this layer to assembly/host/. */
  pure?: boolean;
}

export const LAYERS: readonly (readonly Layer[])[] = [
  [{ path: "protocol", pure: true }],

  // The filter, AssemblyScript.
  [{ path: "assembly/base", pure: true }],
  [{ path: "assembly/scan", pure: true }],
  [{ path: "assembly/snapshot", pure: true }],
  [{ path: "assembly/route", pure: true }],
  [{ path: "assembly/endpoints", pure: true }],
  [{ path: "assembly/places", pure: true }],
  [{ path: "assembly/pick", pure: true }],
  [{ path: "assembly/admission", pure: true }],
  [{ path: "assembly/host" }],
  [{ path: "assembly/metric-list.ts" }],
  [{ path: "assembly/stats.ts" }],
  [{ path: "assembly/workers" }],
  [{ path: "assembly/config" }],
  [{ path: "assembly/filter/headers" }],
  // root.ts, streams.ts and the files that need only these: replies, the snapshot's age, the work after a new snapshot.
  [{ path: "assembly/filter" }],
  [{ path: "assembly/filter/setup" }, { path: "assembly/filter/reserved" }],
  [{ path: "assembly/filter/request" }],
  [{ path: "assembly/filter/response" }],
  [{ path: "assembly/filter/configure.ts" }, { path: "assembly/filter/on-tick.ts" }],
  [{ path: "assembly/main.ts" }],

  // Programs and their parts, TypeScript.
  [{ path: "emulator" }, { path: "simulator" }],
  [{ path: "sidecar/clock.ts" }, { path: "sidecar/log.ts" }, { path: "sidecar/http.ts" }, { path: "sidecar/tally.ts" }],
  [{ path: "sidecar/metric-list.ts" }],
  [{ path: "sidecar/health.ts" }, { path: "sidecar/engines" }, { path: "sidecar/kubernetes" }],
  [{ path: "sidecar/pod.ts" }, { path: "sidecar/policies" }, { path: "sidecar/learn" }],
  [{ path: "sidecar/config" }],
  [{ path: "sidecar/credentials" }],
  [{ path: "sidecar/discover" }, { path: "sidecar/scrape" }, { path: "sidecar/snapshot" }],
  [{ path: "sidecar/fleet.ts" }, { path: "sidecar/peers" }, { path: "sidecar/push" }, { path: "sidecar/exported.ts" }],
  [{ path: "sidecar/pools.ts" }],
  [{ path: "sidecar/status" }, { path: "sidecar/metrics-pools.ts" }, { path: "sidecar/metrics-scrapes.ts" }],
  [{ path: "sidecar/server.ts" }, { path: "sidecar/metrics.ts" }],
  [{ path: "sidecar/run" }],
  [{ path: "sidecar/sidecar.ts" }],
  [{ path: "sidecar/check" }, { path: "sidecar/plan" }],
  [{ path: "sidecar/cli.ts" }],
  [{ path: "sidecar/main.ts" }],
  // The tables of the filter's configuration, and the generators that read these tables and the sidecar's.
  [{ path: "schemas/filter" }, { path: "schemas/metrics" }],
  [{ path: "schemas/generate" }],
  [{ path: "envoy" }],

  // Tests and benches.
  [{ path: "testkit" }],
  [{ path: "bench" }, { path: "integration" }],
  [{ path: "tests" }],
];

export const HOST = "assembly/host/";
