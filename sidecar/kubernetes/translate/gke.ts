// GKE's policies for pools and Services, and its imported pools. Keys that Pilotfish does not use are kept by name, so that
// `pilotfish check` can list them. GKE's API server checks the rest of the object.
import { z } from "zod";
import type { BackendPolicy, HealthCheck, LoadMetric, PoolImport } from "../cluster-objects.ts";
import { expected, metadata, port, selector } from "./fields.ts";

const targetRef = z.object(
  {
    group: z
      .string(expected("an API group"))
      .nullish()
      .transform((group) => group ?? ""),
    kind: z.string(expected("a kind")),
    name: z.string(expected("a name")),
  },
  expected("an object with group, kind and name"),
);

const flag = z
  .boolean(expected("true or false"))
  .nullish()
  .transform((value) => value ?? false);

const PERCENT = "a percentage, from 1 to 100";
const percent = z.number(expected(PERCENT)).min(1, PERCENT).max(100, PERCENT);
const COUNT = "an integer of at least 1";
const count = z.int(expected(COUNT)).min(1, COUNT);

const customMetric = z.object(
  {
    name: z.string(expected("a metric's name, such as gke.named_metrics.kv-cache")),
    dryRun: flag,
    maxUtilizationPercent: percent.nullish(),
    maxUtilization: percent.nullish(),
  },
  expected("an object with name"),
);

/** The keys of spec.default that Pilotfish uses. */
const USED = [
  "balancingMode",
  "customMetrics",
  "maxInFlightRequestsPerEndpoint",
  "trafficDuration",
  "timeoutSec",
  "dryRun",
];
const MODES = "CUSTOM_METRICS, IN_FLIGHT, RATE, UTILIZATION or CONNECTION";

const backendSchema = z.object({
  metadata,
  spec: z.object(
    {
      targetRef,
      default: z
        .looseObject(
          {
            balancingMode: z
              .enum(["CUSTOM_METRICS", "IN_FLIGHT", "RATE", "UTILIZATION", "CONNECTION"], expected(MODES))
              .nullish(),
            customMetrics: z.array(customMetric, expected("a list of objects with name")).nullish(),
            maxInFlightRequestsPerEndpoint: count.nullish(),
            trafficDuration: z.enum(["SHORT", "LONG"], expected("SHORT or LONG")).nullish(),
            timeoutSec: count.nullish(),
            dryRun: flag,
          },
          expected("an object"),
        )
        .nullish(),
    },
    expected("an object with targetRef"),
  ),
});

const exclusive = backendSchema.superRefine(({ spec }, context) => {
  const { balancingMode: mode, customMetrics, maxInFlightRequestsPerEndpoint: most } = spec.default ?? {};
  const wrong = (key: string, message: string): void => {
    context.addIssue({ code: "custom", message, path: ["spec", "default", key] });
  };
  if (mode === "IN_FLIGHT") {
    if (most == null) wrong("maxInFlightRequestsPerEndpoint", `${COUNT} with balancingMode IN_FLIGHT`);
    if (customMetrics != null)
      wrong("customMetrics", "no value with balancingMode IN_FLIGHT: the two exclude each other");
  }
  if (mode === "CUSTOM_METRICS") {
    if (most != null)
      wrong("maxInFlightRequestsPerEndpoint", "no value with balancingMode CUSTOM_METRICS: the two exclude each other");
    if ((customMetrics ?? []).length === 0)
      wrong("customMetrics", "at least one metric with balancingMode CUSTOM_METRICS");
  }
});

export const backendPolicy = exclusive.transform(({ metadata: { namespace, name }, spec }): BackendPolicy => {
  const given = spec.default ?? { dryRun: false };
  return {
    kind: "backend-policy",
    namespace,
    name,
    target: spec.targetRef,
    mode: given.balancingMode ?? null,
    metrics: (given.customMetrics ?? []).map(({ name: metric, dryRun, maxUtilizationPercent, maxUtilization }) => {
      return { name: metric, dryRun, maxPercent: maxUtilizationPercent ?? maxUtilization ?? null };
    }),
    mostInFlight: given.maxInFlightRequestsPerEndpoint ?? null,
    short: given.trafficDuration === "SHORT",
    timeoutSec: given.timeoutSec ?? null,
    dryRun: given.dryRun,
    unused: Object.keys(given).filter((key) => !USED.includes(key)),
  };
});

const healthSchema = z.object({
  metadata,
  spec: z.object(
    {
      targetRef,
      default: z.looseObject(
        {
          checkIntervalSec: count.nullish(),
          timeoutSec: count.nullish(),
          healthyThreshold: count.nullish(),
          unhealthyThreshold: count.nullish(),
          config: z.looseObject(
            {
              type: z.enum(["HTTP", "HTTPS", "HTTP2", "TCP", "GRPC"], expected("HTTP, HTTPS, HTTP2, TCP or GRPC")),
              httpHealthCheck: z
                .looseObject({
                  port: port.nullish(),
                  requestPath: z.string(expected("a path")).startsWith("/", "a path that begins with /").nullish(),
                })
                .nullish(),
            },
            expected("an object with type"),
          ),
        },
        expected("an object with config"),
      ),
    },
    expected("an object with targetRef and default"),
  ),
});

export const healthCheck = healthSchema.transform(({ metadata: { namespace, name }, spec }): HealthCheck => {
  const { config, ...times } = spec.default;
  return {
    kind: "health-check",
    namespace,
    name,
    target: spec.targetRef,
    type: config.type,
    path: config.httpHealthCheck?.requestPath ?? "/",
    port: config.httpHealthCheck?.port ?? null,
    // These defaults are GKE's.
    intervalMs: (times.checkIntervalSec ?? 15) * 1000,
    timeoutMs: (times.timeoutSec ?? times.checkIntervalSec ?? 15) * 1000,
    healthy: times.healthyThreshold ?? 1,
    unhealthy: times.unhealthyThreshold ?? 2,
  };
});

const metricName = z.string(expected("a metric's name"));

/** GKE documents two forms of an AutoscalingMetric. In this form the metrics are beside selector and endpoints. */
const flat = z.object({
  selector: z.object({ matchLabels: selector }, expected("an object with matchLabels")),
  endpoints: z.array(
    z.object({
      port: port.or(z.string()),
      path: z.string().nullish(),
      metrics: z.array(z.object({ name: metricName, exportName: z.string().nullish() })).nullish(),
    }),
    expected("a list of objects with port and path"),
  ),
  metrics: z.array(z.object({ name: metricName, exportName: z.string().nullish() })).nullish(),
});

/** The second form of an AutoscalingMetric, with metrics by pod and container. */
const nested = z.object({
  metrics: z.array(
    z.object({
      pod: z.object({
        selector: z.object({ matchLabels: selector }, expected("an object with matchLabels")),
        containers: z.array(
          z.object({
            endpoint: z.object({ port: port.or(z.string()), path: z.string().nullish() }),
            metrics: z.array(
              z.object({ gauge: z.object({ name: z.string(), prometheusMetricName: metricName.nullish() }) }),
            ),
          }),
        ),
      }),
    }),
    expected("a list of objects with pod"),
  ),
});

export const loadMetric = z
  .object({ metadata, spec: z.union([flat, nested], expected("selector, endpoints and metrics")) })
  .transform(({ metadata: { namespace, name }, spec }): LoadMetric => {
    const base = { kind: "load-metric" as const, namespace, name };
    if ("selector" in spec) {
      const listed = [...spec.endpoints.flatMap(({ metrics }) => metrics ?? []), ...(spec.metrics ?? [])];
      return {
        ...base,
        selector: spec.selector.matchLabels,
        path: spec.endpoints[0]?.path ?? "/metrics",
        port: portOf(spec.endpoints[0]?.port),
        metrics: listed.map((metric) => ({ name: metric.name, exportName: metric.exportName ?? metric.name })),
      };
    }
    const pod = spec.metrics[0]?.pod;
    const container = pod?.containers[0];
    return {
      ...base,
      selector: pod?.selector.matchLabels ?? {},
      path: container?.endpoint.path ?? "/metrics",
      port: portOf(container?.endpoint.port),
      metrics: (container?.metrics ?? []).map(({ gauge }) => {
        return { name: gauge.prometheusMetricName ?? gauge.name, exportName: gauge.name };
      }),
    };
  });

function portOf(given: number | string | undefined): number | null {
  return typeof given === "number" ? given : null;
}

export const poolImport = z.object({ metadata }).transform(({ metadata: { namespace, name } }): PoolImport => {
  return { kind: "pool-import", namespace, name };
});
