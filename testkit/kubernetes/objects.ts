// Objects for an API server: Pods, InferencePools, and the EndpointSlices of a Service.
import type { KubeObject } from "./resources.ts";

export function pool(name: string, app: string, ...ports: number[]): KubeObject {
  return {
    apiVersion: "inference.networking.k8s.io/v1",
    kind: "InferencePool",
    metadata: { name, namespace: "default" },
    spec: {
      selector: { matchLabels: { app } },
      targetPorts: ports.map((number) => ({ number })),
      endpointPickerRef: { name: "none", port: { number: 9002 } },
    },
  };
}

export function pod(
  name: string,
  app: string,
  ip: string,
  more: { ready?: boolean; deleted?: boolean } = {},
): KubeObject {
  const { ready = true, deleted = false } = more;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "default",
      labels: { app },
      ...(deleted && { deletionTimestamp: "2026-01-01T00:00:00Z" }),
    },
    spec: { containers: [{ name: "c", image: "i" }] },
    status: {
      phase: "Running",
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  };
}

export function slice(service: string, ports: Record<string, number>, ...ips: string[]): KubeObject {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `${service}-x`, namespace: "default", labels: { "kubernetes.io/service-name": service } },
    addressType: "IPv4",
    ports: Object.entries(ports).map(([name, port]) => ({ name, port, protocol: "TCP" })),
    endpoints: ips.map((ip) => ({ addresses: [ip], conditions: { ready: true, serving: true, terminating: false } })),
  };
}
