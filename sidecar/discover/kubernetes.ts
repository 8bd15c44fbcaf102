// Pods from a cluster's API server. Each resource and namespace has a watch. After each change of an object, the pods are
// computed again from all objects.
import type { EngineName, EngineTable } from "../engines/index.ts";
import type { ClusterAccess } from "../kubernetes/api-client.ts";
import type { ClusterObject, ClusterSeen } from "../kubernetes/cluster-objects.ts";
import { RESOURCES, type Resource } from "../kubernetes/translate/index.ts";
import { ResourceWatch, type WatchObserver, type WatchTimes } from "../kubernetes/watch.ts";
import type { Log } from "../log.ts";
import { ClusterReporter } from "./cluster-reporter.ts";
import type { PodSource, ReportPods } from "./pod-source.ts";
import type { SelectedService, Selection } from "./selection.ts";

export interface KubernetesOptions {
  /**
   * The watched namespaces. Empty: the namespace of the service account, or of the kubeconfig's context. "*": all namespaces.
   */
  namespaces: readonly string[];
  pools: Selection["pools"];
  services: readonly SelectedService[];
  engine: EngineName;
  engines?: EngineTable;
  /** Whether GKE's policies are watched too. */
  policies?: boolean;
  place?: string | undefined;
  placeLabel?: string | undefined;
  /** The source's name in logs and metrics, needed only with several clusters. */
  name?: string | undefined;
  times: WatchTimes;
}

interface KubernetesParts {
  log: Log;
  /** A request to the API server failed. */
  failed: (source: string) => void;
  random: () => number;
  /** Opens the cluster. The sidecar passes accessCluster; a test passes a function of its own. */
  access: () => Promise<ClusterAccess>;
}

export class KubernetesSource implements PodSource {
  readonly name: string;
  readonly #options: KubernetesOptions;
  readonly #parts: KubernetesParts;
  readonly #reporter: ClusterReporter;
  #watches: readonly ResourceWatch[] = [];
  /** The watches whose objects give the pods. No pods are reported before each of these watches has had a response. */
  #needed: readonly ResourceWatch[] = [];
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;
  #closed = false;

  constructor(options: KubernetesOptions, parts: KubernetesParts) {
    this.#options = options;
    this.#parts = parts;
    this.name = options.name ?? "kubernetes";
    this.#reporter = new ClusterReporter(this.name, options, parts.log);
  }

  start(report: ReportPods): void {
    void this.#open(report);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const watch of this.#watches) watch.close();
  }

  seen(): ClusterSeen {
    const watches = this.#watches.map(({ name: of, state, size: objects }) => ({ of, state, objects }));
    return this.#reporter.seen(this.#objects(), watches);
  }

  *#objects(): Iterable<ClusterObject> {
    for (const watch of this.#watches) yield* watch.objects;
  }

  async #open(report: ReportPods): Promise<void> {
    const { log, access, failed, random } = this.#parts;
    const { times } = this.#options;
    let cluster: ClusterAccess;
    try {
      cluster = await access();
    } catch (error) {
      if (this.#closed) return;
      failed(this.name);
      log.error({ source: this.name, error: (error as Error).message }, "no access to a cluster: trying again");
      this.#timer = setTimeout(() => void this.#open(report), times.retryMaxMs);
      return;
    }
    if (this.#closed) return;
    const { client, server, namespace } = cluster;
    const scopes = scopesOf(this.#options, namespace);
    log.info({ source: this.name, server, namespaces: scopes.map((scope) => scope ?? "*") }, "watching the cluster");
    const watchParts = { client, times, random, observer: this.#observer(report) };
    const watch: OpenWatch = (resource, scope, selector) => new ResourceWatch(resource, scope, selector, watchParts);
    this.#needed = podWatches(this.#options, scopes, watch);
    this.#watches = [...this.#needed, ...otherWatches(this.#options, scopes, watch)];
    for (const each of this.#watches) each.start();
  }

  #observer(report: ReportPods): WatchObserver {
    const { log, failed } = this.#parts;
    const source = this.name;
    return {
      // Events that arrive together lead to one report.
      changed: () => {
        if (!this.#scheduled) setImmediate(() => this.#update(report));
        this.#scheduled = true;
      },
      broken: (object, problems) =>
        log.warn({ source, object, problems }, "object not understood: its last good state stays in use"),
      failed: (watch, state, error) => {
        failed(source);
        const refused = state === "refused";
        const hint = "the API server refuses: allow list and watch by RBAC (sidecar/deploy/rbac.yaml)";
        const detail = { source, watch, state, status: error.status, error: error.message };
        log.warn(detail, refused ? hint : "watch failed: trying again");
      },
      recovered: (watch) => log.info({ source, watch }, "watch works again"),
    };
  }

  #update(report: ReportPods): void {
    this.#scheduled = false;
    if (this.#closed || !this.#needed.every((watch) => watch.answered)) return;
    this.#reporter.update(this.#objects(), report);
  }
}

/** Makes a watch. `scope`: a namespace; null: all namespaces. */
type OpenWatch = (resource: Resource, scope: string | null, selector?: string) => ResourceWatch;

function podWatches(
  { services }: KubernetesOptions,
  scopes: ReadonlyArray<string | null>,
  watch: OpenWatch,
): ResourceWatch[] {
  const { pools, poolsAlpha, pods, slices } = RESOURCES;
  const watches = scopes.flatMap((scope) => [watch(pools, scope), watch(poolsAlpha, scope), watch(pods, scope)]);
  for (const { namespace, name } of services) {
    const where = namespace === undefined ? scopes : [namespace];
    watches.push(...where.map((scope) => watch(slices, scope, `kubernetes.io/service-name=${name}`)));
  }
  return watches;
}

/** The watches of objects that declare models, priorities and policies. */
function otherWatches(
  { policies }: KubernetesOptions,
  scopes: ReadonlyArray<string | null>,
  watch: OpenWatch,
): ResourceWatch[] {
  const { objectives, models, rewrites, adapterMaps } = RESOURCES;
  const { backendPolicies, healthChecks, loadMetrics, poolImports } = RESOURCES;
  const gke = policies === true ? [backendPolicies, healthChecks, loadMetrics, poolImports] : [];
  const resources: Resource[] = [objectives, models, rewrites, adapterMaps, ...gke];
  return scopes.flatMap((scope) => resources.map((resource) => watch(resource, scope)));
}

/** Returns the namespaces to watch: `namespaces`, and the namespaces of configured pools. null: all namespaces. */
function scopesOf({ namespaces, pools }: KubernetesOptions, own: string): Array<string | null> {
  if (namespaces.includes("*")) return [null];
  const named = pools.flatMap(({ namespace }) => namespace ?? []);
  const listed = namespaces.length > 0 || named.length > 0 ? namespaces : [own];
  // A pool without a namespace is in the namespace `own`, unless `namespaces` names others.
  const bare = namespaces.length === 0 && pools.some(({ namespace }) => namespace === undefined) ? [own] : [];
  return [...new Set([...listed, ...named, ...bare])];
}
