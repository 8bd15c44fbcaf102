// `pilotfish check`: what was understood, section by section, what is ignored, and what contradicts.
import type { Config } from "../config/schema.ts";
import type { BackendPolicy, HealthCheck, LoadMetric, Pool, TargetRef } from "../kubernetes/cluster-objects.ts";
import type { Policy } from "../policies/policy.ts";
import { policiesOf } from "../policies/policy.ts";
import type { Read } from "./read-manifests.ts";

export interface Report {
  sections: Array<{ title: string; lines: string[] }>;
  /** Worth knowing; nothing is wrong. */
  notes: string[];
  ignored: string[];
  /** Any of these makes the exit code 1. */
  contradictions: string[];
}

export function reportOf(read: Read, config: Config | undefined): Report {
  const { policies, problems, notes } = policiesOf(read.view.policies);
  const report: Report = { sections: [], notes: [...notes], ignored: read.ignored, contradictions: [...read.problems] };
  report.contradictions.push(...problems);
  const all = [...(config?.policies ?? []), ...policies];
  section(report, "Listeners", listeners(read));
  section(report, "Pools", pools(read, report));
  section(report, "Models", models(read, config, report));
  section(report, "Routes", routes(read, report));
  section(report, "Objectives", objectives(read, report));
  section(report, "Policies", all.map(policyLine));
  section(report, "Health checks", healthChecks(read, report));
  section(report, "Metrics", metrics(read));
  section(report, "Places", places(config));
  targets(read, all, report);
  return report;
}

export function textOf(report: Report): string {
  const block = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? "" : `${title}\n${lines.map((line) => `  ${line}\n`).join("")}`;
  return [
    ...report.sections.map(({ title, lines }) => block(title, lines)),
    block("Notes", report.notes),
    block("Ignored", report.ignored),
    block("Contradictions", report.contradictions),
    report.contradictions.length === 0
      ? "Nothing contradicts.\n"
      : `${report.contradictions.length} to be looked at.\n`,
  ].join("");
}

function section(report: Report, title: string, lines: string[]): void {
  if (lines.length > 0) report.sections.push({ title, lines });
}

function listeners({ gateways }: Read): string[] {
  return gateways.flatMap(({ title, listeners: each }) =>
    each.map(({ name, port, protocol }) => `${title}: ${name}, ${protocol} on port ${port}`),
  );
}

function labelsOf(selector: Readonly<Record<string, string>>): string {
  return Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

function podsOf(pool: Pool, { view }: Read): number {
  return view.pods.filter(
    ({ namespace, labels }) =>
      namespace === pool.namespace && Object.entries(pool.selector).every(([key, value]) => labels[key] === value),
  ).length;
}

function pools(read: Read, report: Report): string[] {
  const lines = read.view.pools.map((pool) => {
    const pods = podsOf(pool, read);
    const exported = pool.exported === true ? ", exported to peers" : "";
    const attach = pool.attachTo === null ? "" : `, attached to ${pool.attachTo}`;
    return `InferencePool ${pool.namespace}/${pool.name}: ${labelsOf(pool.selector)}, ports ${pool.targetPorts.join(", ")}${exported}${attach}; ${pods} pods in these manifests`;
  });
  for (const object of read.view.policies) {
    if (object.kind !== "pool-import") continue;
    lines.push(
      `GCPInferencePoolImport ${object.namespace}/${object.name}: the exported pools of that name, of every peer`,
    );
  }
  const services = new Set(read.view.slices.map(({ namespace, service }) => `${namespace}/${service}`));
  for (const service of services) lines.push(`Service ${service}: its EndpointSlices`);
  const none = read.view.pools.filter((pool) => podsOf(pool, read) === 0);
  if (none.length > 0) report.notes.push("pools without pods here: a cluster, or a peer, has to tell them");
  return lines;
}

function models(read: Read, config: Config | undefined, report: Report): string[] {
  const lines: string[] = [];
  const pool = new Map<string, string>();
  for (const { namespace, name, model, pool: of, criticality, targets: to } of read.view.models) {
    const known = pool.get(model);
    if (known !== undefined && known !== `${namespace}/${of}`) {
      report.contradictions.push(
        `InferenceModel ${namespace}/${name}: ${model} is in ${known} as well as in ${namespace}/${of}`,
      );
    }
    pool.set(model, `${namespace}/${of}`);
    const served = to.length === 0 ? "" : `, served as ${to.map((target) => target.model).join(", ")}`;
    lines.push(
      `${model}: in InferencePool ${namespace}/${of}${criticality === null ? "" : `, ${criticality}`}${served}`,
    );
  }
  for (const { namespace, name, rules } of read.view.rewrites) {
    for (const { models: names, targets: to } of rules) {
      const from = names.length === 0 ? "any model" : names.join(", ");
      lines.push(
        `${from}: ${to.map((target) => target.model).join(", ")}, by InferenceModelRewrite ${namespace}/${name}`,
      );
    }
  }
  for (const { base, adapters } of read.view.adapterMaps) lines.push(`${adapters.join(", ")}: adapters of ${base}`);
  for (const [name, { base }] of Object.entries(config?.models.static ?? {})) {
    lines.push(`${name}: ${base === undefined ? "a base model" : `an adapter of ${base}`}, by the configuration`);
  }
  const routed = read.routes
    .flatMap(({ models: names }) => names)
    .filter((name) => !lines.some((line) => line.startsWith(`${name}:`)));
  for (const name of new Set(routed)) lines.push(`${name}: as its pods say, by a route on X-Gateway-Model-Name`);
  return lines;
}

function routes(read: Read, report: Report): string[] {
  const seen = new Map<string, string>();
  const lines = read.routes.map((rule) => {
    const to = rule.backends
      .map(({ kind, name, port }) => `${kind} ${name}${port === null ? "" : `:${port}`}`)
      .join(", ");
    const by = [...rule.models.map((model) => `model ${model}`), ...rule.paths.map((path) => `path ${path}`)];
    for (const parent of rule.parents) {
      for (const model of rule.models) {
        const key = `${parent} ${model} ${rule.paths.join()}`;
        const before = seen.get(key);
        if (before !== undefined && before !== to)
          report.contradictions.push(
            `${rule.route}: ${model} on ${parent} leads to ${to}, by another route to ${before}`,
          );
        seen.set(key, to);
      }
    }
    for (const backend of rule.backends) checkBackend(rule.route, rule.namespace, backend, read, report);
    return `${rule.route}, on ${rule.parents.join(", ") || "no gateway"}: ${by.join(", ") || "everything else"} → ${to || "nothing"}`;
  });
  if (
    read.routes.some(({ models: names }) => names.length > 0) &&
    !read.routes.some(({ models: names }) => names.length === 0)
  ) {
    report.notes.push(
      "no route without X-Gateway-Model-Name: Envoy answers 404 before the filter runs, a catch-all route must exist",
    );
  }
  return lines;
}

function checkBackend(
  route: string,
  namespace: string,
  { kind, name }: { kind: string; name: string },
  read: Read,
  report: Report,
): void {
  if (kind !== "InferencePool") return;
  if (read.view.pools.some((pool) => pool.name === name && pool.namespace === namespace)) return;
  report.contradictions.push(`${route}: backendRefs: InferencePool ${namespace}/${name} is not in these manifests`);
}

function objectives(read: Read, report: Report): string[] {
  return read.view.objectives.map(({ namespace, name, pool, priority }) => {
    const known = read.view.pools.some((each) => each.name === pool && each.namespace === namespace);
    const imported = read.view.policies.some((each) => each.kind === "pool-import" && each.name === pool);
    if (!known && !imported && read.view.pools.length > 0) {
      report.contradictions.push(
        `InferenceObjective ${namespace}/${name}: poolRef: InferencePool ${namespace}/${pool} is not in these manifests`,
      );
    }
    return `${name}: priority ${priority}, in InferencePool ${namespace}/${pool}`;
  });
}

function policyLine(policy: Policy): string {
  const { name, targets: of, models: names, mode, target, mostInFlight, timeoutMs, dryRun, short } = policy;
  const where = [
    ...names.map((model) => `model ${model}`),
    ...of.map((each) => `${each.kind} ${each.namespace === null ? "" : `${each.namespace}/`}${each.name}`),
  ];
  const what = {
    utilization: `a place is filled to ${Math.round((target ?? 0) * 1000) / 10} % of its KV cache`,
    "in-flight": `a place is filled to ${mostInFlight} requests in flight a pod`,
    order: "places are used in their order",
  }[mode];
  const more = [
    short ? "short requests" : "long requests",
    ...(timeoutMs === null ? [] : [`answers within ${timeoutMs / 1000} s`]),
    ...(dryRun ? ["dry run: counted, not done"] : []),
  ];
  return `${name}, for ${where.join(", ") || "every model"}: ${what}; ${more.join(", ")}`;
}

function refText({ kind, name }: TargetRef): string {
  return `${kind} ${name}`;
}

function healthChecks(read: Read, report: Report): string[] {
  const checks = read.view.policies.filter((each): each is HealthCheck => each.kind === "health-check");
  twice(checks, report);
  return checks.map((check) => {
    const { namespace, name, target, type, path, port, intervalMs, timeoutMs, healthy, unhealthy } = check;
    const pool = read.view.pools.find((each) => each.name === target.name);
    if (pool !== undefined && port !== null && !pool.targetPorts.includes(port)) {
      report.contradictions.push(
        `HealthCheckPolicy ${namespace}/${name}: port ${port} is none of InferencePool ${pool.namespace}/${pool.name}: ${pool.targetPorts.join(", ")}`,
      );
    }
    if (timeoutMs > intervalMs)
      report.contradictions.push(`HealthCheckPolicy ${namespace}/${name}: timeoutSec is above checkIntervalSec`);
    const where = port === null ? path : `port ${port}, ${path}`;
    return `HealthCheckPolicy ${namespace}/${name}, for ${refText(target)}: ${type} on ${where} every ${intervalMs / 1000} s, within ${timeoutMs / 1000} s; ${healthy} good, ${unhealthy} bad in a row`;
  });
}

function metrics(read: Read): string[] {
  const listed = read.view.policies.filter((each): each is LoadMetric => each.kind === "load-metric");
  return listed.flatMap(({ namespace, name, selector, port, path, metrics: each }) =>
    each.map(
      (metric) =>
        `AutoscalingMetric ${namespace}/${name}: ${metric.name} of ${labelsOf(selector)}${port === null ? "" : `, port ${port}`}${path}, as ${metric.exportName}`,
    ),
  );
}

function places(config: Config | undefined): string[] {
  if (config === undefined) return [];
  const { here, spill, list } = config.places;
  if (list.length + config.peers.length === 0) return [];
  return [
    `here: ${here}; beyond its targets by ${spill}`,
    ...list.map(({ name, region, order, weight }) => {
      const more = [region && `region ${region}`, order !== undefined && `order ${order}`, `weight ${weight}`];
      return `${name}: ${more.filter(Boolean).join(", ")}`;
    }),
    ...config.peers.map(
      ({ url, place, mode, gateway }) =>
        `peer ${url.origin}${place === undefined ? "" : ` in ${place}`}: ${mode === "pods" ? "its pods" : `its gateway ${gateway}`}`,
    ),
  ];
}

/** Two policies of one kind for one target: which one counts, nobody says. */
function twice(list: ReadonlyArray<BackendPolicy | HealthCheck>, report: Report): void {
  const seen = new Map<string, string>();
  for (const { kind, namespace, name, target } of list) {
    const key = `${namespace} ${target.kind} ${target.name}`;
    const title = `${kind === "health-check" ? "HealthCheckPolicy" : "GCPBackendPolicy"} ${namespace}/${name}`;
    const before = seen.get(key);
    if (before !== undefined) report.contradictions.push(`${title}: ${refText(target)} has ${before} already`);
    seen.set(key, title);
  }
}

function targets(read: Read, policies: readonly Policy[], report: Report): void {
  twice(
    read.view.policies.filter((each): each is BackendPolicy => each.kind === "backend-policy"),
    report,
  );
  for (const object of read.view.policies) {
    if (object.kind !== "backend-policy" && object.kind !== "health-check") continue;
    const { kind, name } = object.target;
    const here =
      kind === "InferencePool"
        ? read.view.pools.some((each) => each.name === name && each.namespace === object.namespace)
        : true;
    if (!here)
      report.contradictions.push(
        `policy ${object.namespace}/${object.name}: ${kind} ${name} is not in these manifests`,
      );
  }
  const forAll = policies.filter((policy) => policy.models.length + policy.targets.length === 0);
  if (forAll.length > 1) report.notes.push(`several policies are for every model: ${forAll[0]?.name} counts`);
}
