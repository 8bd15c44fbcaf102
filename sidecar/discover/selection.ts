// From what the cluster says to the endpoints that are read and pushed: pure, done anew after each change.
import { isPlaceName } from "../../protocol/grammar.ts";
import { AUTO, ENGINES, type EngineName, type EngineTable } from "../engines/index.ts";
import type { ClusterView, HealthCheck, PodObject, Pool, Slice } from "../kubernetes/cluster-objects.ts";
import { type PodAddress, podAddress } from "../pod.ts";

export interface ServiceChoice {
  /** undefined: any namespace that is looked at. */
  namespace?: string | undefined;
  name: string;
  /** A port's name or number; undefined where the Service has one port. */
  port?: string | undefined;
}

export interface Choice {
  /** Empty: every pool. */
  pools: ReadonlyArray<{ namespace?: string | undefined; name: string }>;
  /** "all": every Service that has slices. */
  services: readonly ServiceChoice[] | "all";
  /** Of pods whose label does not say. */
  engine: EngineName;
  /** What a label may name; without it, those that are built in. */
  engines?: EngineTable;
  /** Where the pods are. */
  place?: string | undefined;
  /** A label of pods that says it better, such as topology.kubernetes.io/region. */
  placeLabel?: string | undefined;
}

export interface Found {
  /** Sorted by address. */
  pods: PodAddress[];
  /** What could not be made of the objects, a sentence each. */
  problems: string[];
}

interface Member {
  ip: string;
  port: number;
  ready: boolean;
  draining: boolean;
  asleep: boolean;
  engine: string | null;
  labels: Readonly<Record<string, string>>;
  /** What it belongs to. */
  of: string;
}

export function endpointsOf(view: ClusterView, choice: Choice): Found {
  const problems: string[] = [];
  const members = [...poolMembers(view, choice), ...sliceMembers(view.slices, choice.services, problems)];
  const found = new Map<string, PodAddress>();
  const checks = view.policies.filter((each): each is HealthCheck => each.kind === "health-check");
  for (const member of members) {
    const address = podAddress(member.ip, member.port);
    const known = found.get(address)?.cluster;
    if (known === undefined) {
      const { ready, draining, asleep, of } = member;
      const engine = engineOf(member, choice, problems);
      found.set(address, {
        address,
        origin: `http://${address}`,
        engine,
        ...placeOf(member, choice),
        ...probeOf(member, checks),
        cluster: { ready, draining, asleep, of: [of] },
      });
      continue;
    }
    if (!known.of.includes(member.of)) known.of.push(member.of);
    // An address that a pod which ends has just given up may already be another's.
    if (known.draining && !member.draining) Object.assign(known, { ready: member.ready, draining: false });
    else if (known.draining === member.draining) known.ready ||= member.ready;
  }
  const pods = [...found.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  return { pods, problems: [...new Set(problems)] };
}

/** By its label, else the cluster's. */
function placeOf({ labels }: Member, { place, placeLabel }: Choice): { place?: string } {
  const own = placeLabel === undefined ? undefined : labels[placeLabel];
  const name = own !== undefined && isPlaceName(own) ? own : place;
  return name === undefined ? {} : { place: name };
}

/** By the HealthCheckPolicy for its pool or Service, where that is HTTP on the port that serves. */
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

/** `namespace/name` of the pools that are chosen. */
export function followedPools(pools: readonly Pool[], choice: Choice): string[] {
  const names = pools.filter((pool) => chosen(pool, choice.pools)).map(({ namespace, name }) => `${namespace}/${name}`);
  return [...new Set(names)];
}

function chosen(object: { namespace: string; name: string }, choices: Choice["pools"]): boolean {
  if (choices.length === 0) return true;
  return choices.some(
    ({ namespace, name }) => name === object.name && (namespace ?? object.namespace) === object.namespace,
  );
}

function* poolMembers({ pools, pods }: ClusterView, choice: Choice): Iterable<Member> {
  for (const pool of pools) {
    if (!chosen(pool, choice.pools)) continue;
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

function* sliceMembers(slices: readonly Slice[], services: Choice["services"], problems: string[]): Iterable<Member> {
  for (const slice of slices) {
    const of = `Service ${slice.namespace}/${slice.service}`;
    const service =
      services === "all"
        ? { name: slice.service, port: undefined }
        : services.find(
            ({ namespace, name }) => name === slice.service && (namespace ?? slice.namespace) === slice.namespace,
          );
    if (service === undefined || slice.members.length === 0) continue;
    // The second family of a dual-stack Service is the same engines, and would count their load twice.
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

function engineOf({ engine, of }: Member, choice: Choice, problems: string[]): EngineName {
  const { engine: otherwise, engines = ENGINES } = choice;
  if (engine === null) return otherwise;
  if (engines.has(engine) || engine === AUTO) return engine;
  problems.push(
    `${of}: engine-type: got ${JSON.stringify(engine)}, expected one of ${[AUTO, ...engines.keys()].join(", ")}; taken as ${otherwise}`,
  );
  return otherwise;
}
