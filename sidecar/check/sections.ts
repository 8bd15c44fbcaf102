// The sections of `pilotfish check`. A section has one line for each object that Pilotfish uses.
import type { Config } from "../config/schema.ts";
import type { HealthCheck, LoadMetric, Pool, TargetRef } from "../kubernetes/cluster-objects.ts";
import { limitText, type Policy } from "../policies/policy.ts";
import type { Manifests } from "./read-manifests.ts";

export interface Section {
  title: string;
  lines: string[];
}

/** Returns the sections that have a line. `policies`: the policies of the configuration, then those of the manifests. */
export function sectionsOf(manifests: Manifests, policies: readonly Policy[], config: Config | undefined): Section[] {
  const sections: Section[] = [
    { title: "Listeners", lines: listeners(manifests) },
    { title: "Pools", lines: pools(manifests) },
    { title: "Models", lines: models(manifests, config) },
    { title: "Routes", lines: routes(manifests) },
    { title: "Objectives", lines: objectives(manifests) },
    { title: "Policies", lines: policies.map(policyLine) },
    { title: "Health checks", lines: healthChecks(manifests) },
    { title: "Metrics", lines: metrics(manifests) },
    { title: "Places", lines: places(config) },
  ];
  return sections.filter(({ lines }) => lines.length > 0);
}

/** Returns the number of pods in the manifests that the pool selects. */
export function podsOf({ namespace, selector }: Pool, { view }: Manifests): number {
  const wanted = Object.entries(selector);
  return view.pods.filter((pod) => {
    return pod.namespace === namespace && wanted.every(([label, value]) => pod.labels[label] === value);
  }).length;
}

export function targetText({ kind, name }: TargetRef): string {
  return `${kind} ${name}`;
}

export function backendsText(backends: ReadonlyArray<{ kind: string; name: string; port: number | null }>): string {
  return backends.map(({ kind, name, port }) => `${kind} ${name}${port === null ? "" : `:${port}`}`).join(", ");
}

function labelsText(selector: Readonly<Record<string, string>>): string {
  return Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

function listeners({ gateways }: Manifests): string[] {
  return gateways.flatMap(({ title, listeners: each }) =>
    each.map(({ name, port, protocol }) => `${title}: ${name}, ${protocol} on port ${port}`),
  );
}

function pools(manifests: Manifests): string[] {
  const { view } = manifests;
  const lines = view.pools.map((pool) => {
    const ports = pool.targetPorts.join(", ");
    const exported = pool.exported === true ? ", exported to peers" : "";
    const attached = pool.attachTo === null ? "" : `, attached to ${pool.attachTo}`;
    const pods = `${podsOf(pool, manifests)} pods in these manifests`;
    return `InferencePool ${pool.namespace}/${pool.name}: ${labelsText(pool.selector)}, ports ${ports}${exported}${attached}; ${pods}`;
  });
  for (const { kind, namespace, name } of view.policies) {
    if (kind !== "pool-import") continue;
    lines.push(`GCPInferencePoolImport ${namespace}/${name}: the exported pools of this name, of every peer`);
  }
  const services = new Set(view.slices.map(({ namespace, service }) => `${namespace}/${service}`));
  for (const service of services) lines.push(`Service ${service}: its EndpointSlices`);
  return lines;
}

function models({ view, routes: rules }: Manifests, config: Config | undefined): string[] {
  const lines: string[] = [];
  for (const { namespace, model, pool, criticality, targets } of view.models) {
    const critical = criticality === null ? "" : `, ${criticality}`;
    const served = targets.length === 0 ? "" : `, served as ${targets.map((target) => target.model).join(", ")}`;
    lines.push(`${model}: in InferencePool ${namespace}/${pool}${critical}${served}`);
  }
  for (const { namespace, name, rules: rewrites } of view.rewrites) {
    for (const { models: names, targets } of rewrites) {
      const from = names.length === 0 ? "any model" : names.join(", ");
      const to = targets.map((target) => target.model).join(", ");
      lines.push(`${from}: ${to}, by InferenceModelRewrite ${namespace}/${name}`);
    }
  }
  for (const { base, adapters } of view.adapterMaps) lines.push(`${adapters.join(", ")}: adapters of ${base}`);
  for (const [name, { base }] of Object.entries(config?.models.static ?? {})) {
    lines.push(`${name}: ${base === undefined ? "a base model" : `an adapter of ${base}`}, by the configuration`);
  }
  const routed = new Set(rules.flatMap(({ models: names }) => names));
  for (const name of routed) {
    if (lines.some((line) => line.startsWith(`${name}:`))) continue;
    lines.push(`${name}: as its pods list it, by a route on X-Gateway-Model-Name`);
  }
  return lines;
}

function routes({ routes: rules }: Manifests): string[] {
  return rules.map(({ route, parents, models: names, paths, backends }) => {
    const by = [...names.map((model) => `model ${model}`), ...paths.map((path) => `path ${path}`)];
    const on = parents.join(", ") || "no gateway";
    return `${route}, on ${on}: ${by.join(", ") || "everything else"} → ${backendsText(backends) || "nothing"}`;
  });
}

function objectives({ view }: Manifests): string[] {
  return view.objectives.map(({ namespace, name, pool, priority }) => {
    return `${name}: priority ${priority}, in InferencePool ${namespace}/${pool}`;
  });
}

function policyLine(policy: Policy): string {
  const { name, targets, models: names, timeoutMs, dryRun, short } = policy;
  const where = [
    ...names.map((model) => `model ${model}`),
    ...targets.map((each) => `${each.kind} ${each.namespace === null ? "" : `${each.namespace}/`}${each.name}`),
  ];
  const more = [
    short ? "short requests" : "long requests",
    ...(timeoutMs === null ? [] : [`responses within ${timeoutMs / 1000} s`]),
    ...(dryRun ? ["dry run: counted, not applied"] : []),
  ];
  return `${name}, for ${where.join(", ") || "every model"}: ${limitText(policy)}; ${more.join(", ")}`;
}

function healthChecks({ view }: Manifests): string[] {
  const checks = view.policies.filter((each): each is HealthCheck => each.kind === "health-check");
  return checks.map(({ namespace, name, target, type, path, port, intervalMs, timeoutMs, healthy, unhealthy }) => {
    const where = port === null ? path : `port ${port}, ${path}`;
    const times = `every ${intervalMs / 1000} s, within ${timeoutMs / 1000} s`;
    const counts = `${healthy} good, ${unhealthy} bad in a row`;
    return `HealthCheckPolicy ${namespace}/${name}, for ${targetText(target)}: ${type} on ${where} ${times}; ${counts}`;
  });
}

function metrics({ view }: Manifests): string[] {
  const listed = view.policies.filter((each): each is LoadMetric => each.kind === "load-metric");
  return listed.flatMap(({ namespace, name, selector, port, path, metrics: each }) => {
    const where = `${labelsText(selector)}${port === null ? "" : `, port ${port}`}${path}`;
    return each.map(
      (metric) => `AutoscalingMetric ${namespace}/${name}: ${metric.name} of ${where}, as ${metric.exportName}`,
    );
  });
}

function places(config: Config | undefined): string[] {
  if (config === undefined) return [];
  const { here, spill, list } = config.places;
  if (list.length + config.peers.length === 0) return [];
  return [
    `here: ${here}; requests above its limits go elsewhere by ${spill}`,
    ...list.map(({ name, region, order, weight }) => {
      const more = [region && `region ${region}`, order !== undefined && `order ${order}`, `weight ${weight}`];
      return `${name}: ${more.filter(Boolean).join(", ")}`;
    }),
    ...config.peers.map(({ url, place, mode, gateway }) => {
      const what = mode === "pods" ? "its pods" : `its gateway ${gateway}`;
      return `peer ${url.origin}${place === undefined ? "" : ` in ${place}`}: ${what}`;
    }),
  ];
}
