// Computes from a cluster's objects which pods are scraped and pushed. The function is pure, and runs after each change.
import { isPlaceName } from "../../protocol/grammar.ts";
import { AUTO, ENGINES, type EngineName, type EngineTable } from "../engines/index.ts";
import type { ClusterView, HealthCheck, PodObject, Pool, Slice } from "../kubernetes/cluster-objects.ts";
import { type PodAddress, podAddress } from "../pod.ts";

export interface SelectedService {
  /** The Service's namespace; undefined: any of the followed namespaces. */
  namespace?: string | undefined;
  name: string;
  /** A port's name or number; undefined: the Service has one port. */
  port?: string | undefined;
}

/** The part of the configuration that selects pods of a cluster. */
export interface Selection {
  /** The pools whose pods are used. Empty: all pools. */
  pools: ReadonlyArray<{ namespace?: string | undefined; name: string }>;
  /** The Services whose endpoints are used. "all": every Service that has EndpointSlices. */
  services: readonly SelectedService[] | "all";
  /** The engine of pods without an engine label. */
  engine: EngineName;
  /** The engines that a label may name; undefined: the built-in engines. */
  engines?: EngineTable;
  /** The place of the cluster's pods. */
  place?: string | undefined;
  /** A label of pods that names their place, such as topology.kubernetes.io/region. */
  placeLabel?: string | undefined;
}

interface SelectedPods {
  /** The selected pods, sorted by address. */
  pods: PodAddress[];
  /** One sentence for each thing that Pilotfish did not understand or cannot do. */
  problems: string[];
}

/** A pod of a pool or Service, at one port. */
interface Member {
  ip: string;
  port: number;
  ready: boolean;
  draining: boolean;
  asleep: boolean;
  engine: string | null;
  labels: Readonly<Record<string, string>>;
  /** The pool or Service of the pod, such as `InferencePool default/llama`. */
  of: string;
}

export function selectPods(view: ClusterView, selection: Selection): SelectedPods {
  const problems: string[] = [];
  const members = [...poolMembers(view, selection), ...sliceMembers(view.slices, selection.services, problems)];
  const checks = view.policies.filter((each): each is HealthCheck => each.kind === "health-check");
  const found = new Map<string, PodAddress>();
  for (const member of members) {
    const address = podAddress(member.ip, member.port);
    const known = found.get(address)?.cluster;
    if (known === undefined) {
      const { ready, draining, asleep, of } = member;
      const engine = engineOf(member, selection, problems);
      found.set(address, {
        address,
        origin: `http://${address}`,
        engine,
        ...placeOf(member, selection),
        ...probeOf(member, checks),
        cluster: { ready, draining, asleep, of: [of] },
      });
      continue;
    }
    if (!known.of.includes(member.of)) known.of.push(member.of);
    // A terminating pod may have given its address to a new pod. The pod that is not draining counts.
    if (known.draining && !member.draining) Object.assign(known, { ready: member.ready, draining: false });
    else if (known.draining === member.draining) known.ready ||= member.ready;
  }
  const pods = [...found.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  return { pods, problems: [...new Set(problems)] };
}

/** Returns the place that the pod's label names, else the cluster's place. */
function placeOf({ labels }: Member, { place, placeLabel }: Selection): { place?: string } {
  const own = placeLabel === undefined ? undefined : labels[placeLabel];
  const name = own !== undefined && isPlaceName(own) ? own : place;
  return name === undefined ? {} : { place: name };
}

/** Returns the probe of the HealthCheckPolicy for the pod's pool or Service, if the policy checks the serving port by HTTP. */
function probeOf({ of, port }: Member, checks: readonly HealthCheck[]): Pick<PodAddress, "probe"> {
  const check = checks.find(({ target, namespace }) => {
    const imported = target.kind === "GCPInferencePoolImport";
    const kind = imported ? "InferencePool" : target.kind;
    return imported
      ? of.startsWith(`${kind} `) && of.endsWith(`/${target.name}`)
      : of === `${kind} ${namespace}/${target.name}`;
  });
  if (check === undefined || check.type !== "HTTP" || (check.port !== null && check.port !== port)) return {};
  const { path, intervalMs, timeoutMs, unhealthy: failures, healthy: successes } = check;
  return { probe: { path, intervalMs, timeoutMs, failures, successes } };
}

/** Returns `namespace/name` of the selected pools. */
export function followedPools(pools: readonly Pool[], selection: Selection): string[] {
  const followed = pools.filter((pool) => isSelected(pool, selection.pools));
  return [...new Set(followed.map(({ namespace, name }) => `${namespace}/${name}`))];
}

function isSelected(pool: { namespace: string; name: string }, selected: Selection["pools"]): boolean {
  return selected.length === 0 || selected.some((each) => names(each, pool.namespace, pool.name));
}

function names(selected: { namespace?: string | undefined; name: string }, namespace: string, name: string): boolean {
  return selected.name === name && (selected.namespace ?? namespace) === namespace;
}

function* poolMembers({ pools, pods }: ClusterView, selection: Selection): Iterable<Member> {
  for (const pool of pools) {
    if (!isSelected(pool, selection.pools)) continue;
    for (const pod of pods) if (selects(pool, pod)) yield* membersOf(pool, pod);
  }
}

function selects({ namespace, selector }: Pool, pod: PodObject): boolean {
  if (pod.namespace !== namespace) return false;
  for (const label in selector) if (pod.labels[label] !== selector[label]) return false;
  return true;
}

function* membersOf(pool: Pool, pod: PodObject): Iterable<Member> {
  const { ip, ready, terminating: draining, asleep, engine, labels } = pod;
  if (ip === null) return;
  const of = `InferencePool ${pool.namespace}/${pool.name}`;
  for (const port of pool.targetPorts) {
    if (pod.activePorts === null || pod.activePorts.includes(port)) {
      yield { ip, port, ready, draining, asleep, engine, labels, of };
    }
  }
}

function* sliceMembers(
  slices: readonly Slice[],
  services: Selection["services"],
  problems: string[],
): Iterable<Member> {
  for (const slice of slices) {
    const of = `Service ${slice.namespace}/${slice.service}`;
    const service: SelectedService | undefined =
      services === "all"
        ? { name: slice.service }
        : services.find((each) => names(each, slice.namespace, slice.service));
    if (service === undefined || slice.members.length === 0) continue;
    // The second address family of a dual-stack Service reaches the same servers, so their load would count twice.
    if (isIPv6Slice(slice) && slices.some((other) => sameService(other, slice) && !isIPv6Slice(other))) continue;
    const port = portOf(slice, service.port);
    if (port === undefined) {
      const known = slice.ports.map(({ name, port: number }) => `${name || "unnamed"} (${number})`).join(", ");
      const wanted = service.port ?? "nothing";
      problems.push(`${of}: port: got ${wanted}, expected the name or number of one of its ports: ${known || "none"}`);
      continue;
    }
    for (const { ip, ready, terminating: draining } of slice.members) {
      yield { ip, port, ready, draining, asleep: false, engine: slice.engine, labels: {}, of };
    }
  }
}

function isIPv6Slice({ members }: Slice): boolean {
  return members[0]?.ip.includes(":") === true;
}

function sameService(other: Slice, slice: Slice): boolean {
  return other.service === slice.service && other.namespace === slice.namespace && other.members.length > 0;
}

function portOf({ ports }: Slice, wanted: string | undefined): number | undefined {
  if (wanted === undefined) return ports.length === 1 ? ports[0]?.port : undefined;
  return ports.find(({ name, port }) => name === wanted || String(port) === wanted)?.port;
}

function engineOf({ engine, of }: Member, selection: Selection, problems: string[]): EngineName {
  const { engine: otherwise, engines = ENGINES } = selection;
  if (engine === null) return otherwise;
  if (engines.has(engine) || engine === AUTO) return engine;
  const known = [AUTO, ...engines.keys()].join(", ");
  problems.push(`${of}: engine-type: got ${JSON.stringify(engine)}, expected one of ${known}; ${otherwise} is used`);
  return otherwise;
}
