// Pods as the API server tells them: one watch for each resource and namespace, and after each change the endpoints
// that follow from all of them together.
import { isDeepStrictEqual } from "node:util";
import type { EngineName, EngineTable } from "../engines/index.ts";
import type { ClusterAccess } from "../kubernetes/api-client.ts";
import { type ClusterObject, type ClusterSeen, saidOf, viewOf } from "../kubernetes/cluster-objects.ts";
import { RESOURCES, type Resource } from "../kubernetes/translate/index.ts";
import { ResourceWatch, type WatchObserver, type WatchTimes } from "../kubernetes/watch.ts";
import type { Log } from "../log.ts";
import type { PodAddress } from "../pod.ts";
import type { Source } from "./pod-source.ts";
import { type Choice, endpointsOf, followedPools, type ServiceChoice } from "./selection.ts";

export interface KubernetesOptions {
  /** Empty: the one of the service account or the kubeconfig's context. "*" is all. */
  namespaces: readonly string[];
  pools: Choice["pools"];
  services: readonly ServiceChoice[];
  engine: EngineName;
  engines?: EngineTable;
  /** GKE's policies are watched as well. */
  policies?: boolean;
  place?: string | undefined;
  placeLabel?: string | undefined;
  /** Of several clusters: told apart in logs. */
  name?: string | undefined;
  times: WatchTimes;
}

export interface KubernetesParts {
  log: Log;
  failed: (source: string) => void;
  random: () => number;
  /** How the cluster is reached: accessCluster, or a test's. */
  access: () => Promise<ClusterAccess>;
}

export function kubernetesSource(options: KubernetesOptions, parts: KubernetesParts): Source {
  const { log } = parts;
  const { times, name = "kubernetes" } = options;
  const choice: Choice = {
    pools: options.pools,
    services: options.services,
    engine: options.engine,
    place: options.place,
    placeLabel: options.placeLabel,
    ...(options.engines && { engines: options.engines }),
  };
  let watches: ResourceWatch[] = [];
  /** Those that endpoints are made of: nothing is told before each of them has answered once. */
  let needed: ResourceWatch[] = [];
  let problems: readonly string[] = [];
  let told: readonly PodAddress[] | undefined;
  let said: object | undefined;
  let timer: NodeJS.Timeout | undefined;
  let pending = false;
  let closed = false;

  function* objects(): Iterable<ClusterObject> {
    for (const watch of watches) yield* watch.objects;
  }

  const tell = (report: (pods: readonly PodAddress[]) => void): void => {
    pending = false;
    if (closed || !needed.every((watch) => watch.answered)) return;
    const view = viewOf(objects());
    const found = endpointsOf(view, choice);
    for (const problem of found.problems) if (!problems.includes(problem)) log.warn({ source: name }, problem);
    problems = found.problems;
    const saidNow = saidOf(view);
    if (told !== undefined && isDeepStrictEqual(told, found.pods) && isDeepStrictEqual(said, saidNow)) return;
    said = saidNow;
    // Kept apart from what is handed on, which becomes part of the pods.
    told = structuredClone(found.pods);
    log.debug({ source: name, endpoints: found.pods.length }, "endpoints told");
    report(found.pods);
  };

  const observerFor = (report: (pods: readonly PodAddress[]) => void): WatchObserver => ({
    changed() {
      // Events that came together are told together.
      if (!pending) setImmediate(tell, report);
      pending = true;
    },
    broken: (object, lines) =>
      log.warn({ source: name, object, problems: lines }, "object not understood: the last good one stays"),
    failed(watch, state, error) {
      parts.failed(name);
      const hint =
        state === "refused" ? "not allowed: list and watch it by RBAC (sidecar/deploy/rbac.yaml)" : "watch failed";
      log.warn({ source: name, watch, state, status: error.status, error: error.message }, hint);
    },
    recovered: (watch) => log.info({ source: name, watch }, "watch works again"),
  });

  const open = async (report: (pods: readonly PodAddress[]) => void): Promise<void> => {
    let access: ClusterAccess;
    try {
      access = await parts.access();
    } catch (error) {
      if (closed) return;
      parts.failed(name);
      log.error({ source: name, error: (error as Error).message }, "no access to a cluster");
      timer = setTimeout(() => void open(report), times.retryMaxMs);
      return;
    }
    if (closed) return;
    const { client, server, namespace } = access;
    const scopes = scopesOf(options, namespace);
    log.info({ source: name, server, namespaces: scopes.map((scope) => scope ?? "*") }, "watching the cluster");
    const watchParts = { client, times, random: parts.random, observer: observerFor(report) };
    const watch = (resource: Resource, scope: string | null, selector?: string) =>
      new ResourceWatch(resource, scope, selector, watchParts);
    const { pools, poolsAlpha, pods, slices, objectives, models, rewrites, adapterMaps } = RESOURCES;
    needed = scopes.flatMap((scope) => [watch(pools, scope), watch(poolsAlpha, scope), watch(pods, scope)]);
    for (const service of options.services) {
      const selector = `kubernetes.io/service-name=${service.name}`;
      const where = service.namespace === undefined ? scopes : [service.namespace];
      needed.push(...where.map((scope) => watch(slices, scope, selector)));
    }
    const { backendPolicies, healthChecks, loadMetrics, poolImports } = RESOURCES;
    const gke = options.policies === true ? [backendPolicies, healthChecks, loadMetrics, poolImports] : [];
    const others = [objectives, models, rewrites, adapterMaps, ...gke];
    watches = [...needed, ...scopes.flatMap((scope) => others.map((resource) => watch(resource, scope)))];
    for (const each of watches) each.start();
  };

  return {
    name,
    start: (report) => void open(report),
    close() {
      closed = true;
      clearTimeout(timer);
      for (const watch of watches) watch.close();
    },
    seen(): ClusterSeen {
      const states = watches.map((watch) => ({ of: watch.name, state: watch.state, objects: watch.size }));
      const view = viewOf(objects());
      return { source: name, followed: followedPools(view.pools, choice), ...view, problems, watches: states };
    },
  };
}

/** null is all namespaces. A pool that is named with its namespace is looked for there as well. */
function scopesOf({ namespaces, pools }: KubernetesOptions, own: string): Array<string | null> {
  if (namespaces.includes("*")) return [null];
  const named = pools.flatMap(({ namespace }) => namespace ?? []);
  const listed = namespaces.length > 0 || named.length > 0 ? namespaces : [own];
  // A pool without one is looked for in the own namespace, unless others are given.
  const bare = namespaces.length === 0 && pools.some(({ namespace }) => namespace === undefined) ? [own] : [];
  return [...new Set([...listed, ...named, ...bare])];
}
