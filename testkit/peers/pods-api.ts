// As much of an API server as the endpoint picker asks for: discovery, an InferencePool and its pods in a list each, and
// watches on which nothing happens. For benches, where the pods stay the same; integration/kubernetes has the rest.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface PodsApi {
  url: string;
  close(): Promise<void>;
}

export const POOL_NAME = "pool";
const VERSION = "100";
const LABELS = { app: "simulated-pod" };
const GROUP = "inference.networking.k8s.io";

interface Kind {
  kind: string;
  apiVersion: string;
  items: readonly object[];
}

/** Pods by IP, all ready, in one pool on one port. */
export async function servePods(ips: readonly string[], port: number): Promise<PodsApi> {
  const kinds: Readonly<Record<string, Kind>> = {
    "/api/v1/pods": { kind: "Pod", apiVersion: "v1", items: ips.map(pod) },
    [`/apis/${GROUP}/v1/inferencepools`]: {
      kind: "InferencePool",
      apiVersion: `${GROUP}/v1`,
      items: [pool(port)],
    },
  };
  const server = createServer((request, response) => answer(kinds, request, response));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

function metadata(name: string, number: number): object {
  return {
    name,
    namespace: "default",
    uid: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
    resourceVersion: VERSION,
    creationTimestamp: "2026-01-01T00:00:00Z",
    labels: LABELS,
  };
}

function pod(ip: string, i: number): object {
  return {
    metadata: metadata(`pod-${i}`, i + 1),
    spec: { containers: [{ name: "server", image: "simulated" }] },
    status: { phase: "Running", podIP: ip, podIPs: [{ ip }], conditions: [{ type: "Ready", status: "True" }] },
  };
}

function pool(port: number): object {
  return {
    metadata: metadata(POOL_NAME, 0),
    spec: {
      selector: { matchLabels: LABELS },
      targetPorts: [{ number: port }],
      endpointPickerRef: { name: "epp", port: { number: 9002 } },
    },
  };
}

function resources(groupVersion: string, kind: string, name: string): object {
  const resource = { name, singularName: kind.toLowerCase(), namespaced: true, kind, verbs: ["get", "list", "watch"] };
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources: [resource] };
}

const version = { groupVersion: `${GROUP}/v1`, version: "v1" };
const DISCOVERY: Readonly<Record<string, object>> = {
  "/api": { kind: "APIVersions", versions: ["v1"] },
  "/apis": {
    kind: "APIGroupList",
    apiVersion: "v1",
    groups: [{ name: GROUP, versions: [version], preferredVersion: version }],
  },
  [`/apis/${GROUP}`]: {
    kind: "APIGroup",
    apiVersion: "v1",
    name: GROUP,
    versions: [version],
    preferredVersion: version,
  },
  "/api/v1": resources("v1", "Pod", "pods"),
  [`/apis/${GROUP}/v1`]: resources(`${GROUP}/v1`, "InferencePool", "inferencepools"),
};

function answer(kinds: Readonly<Record<string, Kind>>, request: IncomingMessage, response: ServerResponse): unknown {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://127.0.0.1");
  const found = DISCOVERY[pathname];
  if (found) return json(response, found);
  const served = kinds[pathname.replace("/namespaces/default/", "/")];
  if (!served) {
    const message = `${request.method} ${request.url}: not served here`;
    const status = { kind: "Status", apiVersion: "v1", status: "Failure", reason: "NotFound", code: 404, message };
    return json(response, status, 404);
  }
  const { kind, apiVersion, items } = served;
  if (!["true", "1"].includes(searchParams.get("watch") ?? "")) {
    return json(response, { kind: `${kind}List`, apiVersion, metadata: { resourceVersion: VERSION }, items });
  }
  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  if (searchParams.get("sendInitialEvents") !== "true") return response;
  const event = (type: string, object: object) =>
    response.write(`${JSON.stringify({ type, object: { kind, apiVersion, ...object } })}\n`);
  for (const item of items) event("ADDED", item);
  event("BOOKMARK", { metadata: { resourceVersion: VERSION, annotations: { "k8s.io/initial-events-end": "true" } } });
  return response;
}

function json(response: ServerResponse, value: object, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
