// Reads files of manifests, for `pilotfish check`. Sorts their objects into used, wrong and ignored.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type ClusterObject, type ClusterView, titleOf, viewOf } from "../kubernetes/cluster-objects.ts";
import { documentItems, titleOfContent } from "../kubernetes/documents.ts";
import { translate } from "../kubernetes/translate/index.ts";
import { type GatewayListeners, type RouteRule, readGateway, readRoute } from "./gateway-routes.ts";

export interface Manifests {
  view: ClusterView;
  routes: RouteRule[];
  gateways: GatewayListeners[];
  /** A line for each field that is wrong. */
  problems: string[];
  /** Objects that Pilotfish does not use, with the reason. */
  ignored: string[];
}

/** Kind that Pilotfish does not use -> which program uses it, or why Pilotfish does not. */
const UNUSED_KINDS: Readonly<Record<string, string>> = {
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
  GCPTrafficExtension: "the filter reads the body",
  GCPRoutingExtension: "the filter reads the body",
  EnvoyFilter: "Istio's",
  EnvoyProxy: "Envoy Gateway's",
  EnvoyExtensionPolicy: "Envoy Gateway's",
  EnvoyPatchPolicy: "Envoy Gateway's",
  BackendTrafficPolicy: "Envoy Gateway's",
  ClientTrafficPolicy: "Envoy Gateway's",
  SecurityPolicy: "Envoy Gateway's",
  HorizontalPodAutoscaler: "scales the pods, which the sidecar then finds",
};

/** Returns the given files, and the .yaml, .yml and .json files of each given folder. */
export function filesOf(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => /\.(ya?ml|json)$/.test(name));
    return names.sort().map((name) => join(path, name));
  });
}

export function readFiles(files: readonly string[]): Manifests {
  const objects: ClusterObject[] = [];
  const read: Omit<Manifests, "view"> = { routes: [], gateways: [], problems: [], ignored: [] };
  /** Title of an object -> its file and document. */
  const titles = new Map<string, string>();
  for (const file of files) {
    for (const item of documentItems(readFileSync(file, "utf8"), file.endsWith(".json"))) {
      const where = `${file}, ${item.where}`;
      if ("problem" in item) {
        read.problems.push(`${where}: ${item.problem}`);
        continue;
      }
      const object = addContent(item.content, where, read);
      if (object === undefined) continue;
      const title = titleOf(object);
      const first = titles.get(title);
      if (first !== undefined) read.problems.push(`${where}, ${title}: is defined twice, first in ${first}`);
      titles.set(title, where);
      objects.push(object);
    }
  }
  return { view: viewOf(objects), ...read };
}

/** Returns the object if a snapshot is made of such objects. Adds routes, gateways, problems and ignored objects to `read`. */
function addContent(content: unknown, where: string, read: Omit<Manifests, "view">): ClusterObject | undefined {
  const kind = String((content as { kind?: unknown }).kind);
  const title = titleOfContent(content);
  if (kind === "HTTPRoute" || kind === "Gateway") {
    const found = kind === "HTTPRoute" ? readRoute(content) : readGateway(content);
    if (typeof found === "string") read.problems.push(`${where}, ${title}: ${found}`);
    else if (Array.isArray(found)) read.routes.push(...found);
    else read.gateways.push(found);
    return undefined;
  }
  const translated = translate(content);
  if ("object" in translated) return translated.object;
  if ("problems" in translated) {
    read.problems.push(...translated.problems.map((line) => `${where}, ${title}: ${line}`));
  } else {
    read.ignored.push(`${title}: ${UNUSED_KINDS[kind] ?? `${translated.unused}: not for Pilotfish`}`);
  }
  return undefined;
}
