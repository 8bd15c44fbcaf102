// Manifests as files have them, to what Pilotfish makes of each object: understood, wrong, or left to others.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { type ClusterObject, type ClusterView, titleOf, viewOf } from "../kubernetes/cluster-objects.ts";
import { translate } from "../kubernetes/translate/index.ts";
import { type GatewayRead, type RouteRule, readGateway, readRoute } from "./gateway-routes.ts";

export interface Read {
  view: ClusterView;
  routes: RouteRule[];
  gateways: GatewayRead[];
  /** Names of the Services that manifests define. */
  services: Set<string>;
  /** A line for each field that is wrong. */
  problems: string[];
  /** Objects that are left to others, with the reason. */
  ignored: string[];
}

/** Whose they are, where that is known. */
const OTHERS: Readonly<Record<string, string>> = {
  Deployment: "runs the pods; Pilotfish reads the pods themselves",
  StatefulSet: "runs the pods; Pilotfish reads the pods themselves",
  LeaderWorkerSet: "runs the pods; Pilotfish reads the pods themselves",
  RayService: "KubeRay makes a Service of it, whose EndpointSlices are read",
  RayCluster: "KubeRay makes pods of it",
  Service: "its EndpointSlices are read",
  ConfigMap: 'read only with the label inference.networking.k8s.io/bbr-managed: "true"',
  Secret: "never read",
  GatewayClass: "the gateway's",
  PodMonitoring: "for a monitoring system; the sidecar scrapes the pods itself",
  ServiceMonitor: "for a monitoring system; the sidecar scrapes the pods itself",
  GCPHealthCheckPolicy: "of an older API",
  GCPTrafficExtension: "the body is read by the filter",
  GCPRoutingExtension: "the body is read by the filter",
  EnvoyFilter: "Istio's",
  EnvoyProxy: "Envoy Gateway's",
  EnvoyExtensionPolicy: "Envoy Gateway's",
  EnvoyPatchPolicy: "Envoy Gateway's",
  BackendTrafficPolicy: "Envoy Gateway's",
  ClientTrafficPolicy: "Envoy Gateway's",
  SecurityPolicy: "Envoy Gateway's",
  HorizontalPodAutoscaler: "scales the pods, which the sidecar then finds",
};

/** Files of the given paths; of a folder those that end in .yaml, .yml or .json. */
export function filesOf(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => /\.(ya?ml|json)$/.test(name));
    return names.sort().map((name) => join(path, name));
  });
}

export function readFiles(files: readonly string[]): Read {
  const objects: ClusterObject[] = [];
  const read: Omit<Read, "view"> = { routes: [], gateways: [], services: new Set(), problems: [], ignored: [] };
  const titles = new Map<string, string>();
  for (const file of files) {
    for (const [i, document] of parseAllDocuments(readFileSync(file, "utf8")).entries()) {
      const where = `${file}, document ${i + 1}`;
      const broken = document.errors[0];
      if (broken !== undefined) {
        read.problems.push(`${where}: ${broken.message.split("\n")[0]}`);
        continue;
      }
      for (const item of itemsOf(document.toJS({ maxAliasCount: 100 }))) addObject(item, where, objects, titles, read);
    }
  }
  return { view: viewOf(objects), ...read };
}

function itemsOf(content: unknown): unknown[] {
  if (content === null || content === undefined) return [];
  const list = content as { kind?: unknown; items?: unknown };
  return typeof list.kind === "string" && list.kind.endsWith("List") && Array.isArray(list.items)
    ? list.items
    : [content];
}

function addObject(
  item: unknown,
  where: string,
  objects: ClusterObject[],
  titles: Map<string, string>,
  read: Omit<Read, "view">,
): void {
  const { kind, metadata } = (item ?? {}) as { kind?: string; metadata?: { name?: string; namespace?: string } };
  const title = `${kind} ${metadata?.namespace ?? "default"}/${metadata?.name}`;
  if (kind === "HTTPRoute" || kind === "Gateway") {
    const found = kind === "HTTPRoute" ? readRoute(item) : readGateway(item);
    if (typeof found === "string") read.problems.push(`${where}, ${title}: ${found}`);
    else if (Array.isArray(found)) read.routes.push(...found);
    else read.gateways.push(found);
    return;
  }
  if (kind === "Service") read.services.add(`${metadata?.namespace ?? "default"}/${metadata?.name}`);
  const result = translate(item);
  if ("object" in result) {
    const before = titles.get(titleOf(result.object));
    if (before !== undefined) read.problems.push(`${where}, ${title}: stands twice, the first time in ${before}`);
    titles.set(titleOf(result.object), where);
    objects.push(result.object);
  } else if ("problems" in result) {
    read.problems.push(...result.problems.map((line) => `${where}, ${title}: ${line}`));
  } else {
    read.ignored.push(`${title}: ${OTHERS[kind ?? ""] ?? `${result.unused}: not for Pilotfish`}`);
  }
}
