// As much of an API server as the endpoint picker asks for when it is told its pods by a selector: discovery, one list of
// pods and a watch on which nothing happens. For benches, where the pods stay the same; integration/kubernetes has the rest.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface PodsApi {
  url: string;
  close(): Promise<void>;
}

const VERSION = "100";

/** Pods by IP, all ready, with the labels given. */
export async function servePods(ips: readonly string[], labels: Readonly<Record<string, string>>): Promise<PodsApi> {
  const pods = ips.map((ip, i) => ({
    metadata: {
      name: `pod-${i}`,
      namespace: "default",
      uid: `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`,
      resourceVersion: VERSION,
      creationTimestamp: "2026-01-01T00:00:00Z",
      labels,
    },
    spec: { containers: [{ name: "server", image: "simulated" }] },
    status: {
      phase: "Running",
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  }));
  const server = createServer((request, response) => answer(pods, request, response));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

const RESOURCES = {
  kind: "APIResourceList",
  groupVersion: "v1",
  resources: [{ name: "pods", singularName: "pod", namespaced: true, kind: "Pod", verbs: ["get", "list", "watch"] }],
};

function answer(pods: readonly object[], request: IncomingMessage, response: ServerResponse): unknown {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://127.0.0.1");
  if (pathname === "/api") return json(response, { kind: "APIVersions", versions: ["v1"] });
  if (pathname === "/apis") return json(response, { kind: "APIGroupList", apiVersion: "v1", groups: [] });
  if (pathname === "/api/v1") return json(response, RESOURCES);
  if (pathname !== "/api/v1/namespaces/default/pods" && pathname !== "/api/v1/pods") {
    const message = `${request.method} ${request.url}: not served here`;
    return json(response, { kind: "Status", apiVersion: "v1", status: "Failure", code: 404, message }, 404);
  }
  if (searchParams.get("watch") !== "true" && searchParams.get("watch") !== "1") {
    return json(response, { kind: "PodList", apiVersion: "v1", metadata: { resourceVersion: VERSION }, items: pods });
  }
  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  if (searchParams.get("sendInitialEvents") !== "true") return response;
  const event = (type: string, object: object) =>
    response.write(`${JSON.stringify({ type, object: { kind: "Pod", apiVersion: "v1", ...object } })}\n`);
  for (const pod of pods) event("ADDED", pod);
  event("BOOKMARK", { metadata: { resourceVersion: VERSION, annotations: { "k8s.io/initial-events-end": "true" } } });
  return response;
}

function json(response: ServerResponse, value: object, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
