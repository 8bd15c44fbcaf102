// The shipped manifests, rendered for the pods and ports of a test. Only names and numbers change.

import { type RenderOptions, render } from "../../envoy/gateway/render.ts";
import { GEMMA, type Pods, QWEN, SLOW_MODEL } from "./model-servers.ts";
import type { StandaloneGateway } from "./standalone.ts";

const NAME = "inference";
const NAMESPACE = "team-a";

/** Name of the file with the policy that enables the filter. */
export const wasmFile = (mode: "stock" | "single"): string => `${mode}-wasm.yaml`;

export async function manifests(
  gateway: StandaloneGateway,
  pods: Pods,
  options: Partial<RenderOptions> & Required<Pick<RenderOptions, "code" | "mode">>,
): Promise<Map<string, string>> {
  const files = await render({
    name: NAME,
    namespace: NAMESPACE,
    models: [GEMMA, QWEN, SLOW_MODEL],
    infra: "host",
    backend: "backend",
    endpoints: {
      [GEMMA]: pods.gemma.map(({ address }) => address),
      [QWEN]: [pods.qwen.address],
      [SLOW_MODEL]: [pods.slow.address],
    },
    listenerPort: gateway.ports.llm,
    plainPort: gateway.ports.plain,
    adminPort: gateway.ports.admin,
    egHome: gateway.configHome,
    envoyVersion: gateway.envoyVersion,
    ...options,
    // A snapshot that is pushed once stays fresh for a whole test file.
    config: { snapshot: { staleAfter: "3600s" }, ...options.config },
  });
  files.set("plain-route.yaml", PLAIN_ROUTE);
  return files;
}

/** A route of the plain listener, which does not use the filter. */
const PLAIN_ROUTE = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: plain, namespace: ${NAMESPACE}}
spec:
  parentRefs: [{name: ${NAME}, sectionName: http}]
  rules:
    - backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: ${QWEN}}]
`;

/** A policy on a model's route, where Envoy skips authentication. */
export const KEYS_ON_MODEL_ROUTE = `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: on-the-route, namespace: ${NAMESPACE}}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: ${QWEN}}]
  apiKeyAuth:
    credentialRefs: [{name: keys-on-the-route}]
    extractFrom: [{headers: [authorization]}]
---
apiVersion: v1
kind: Secret
metadata: {name: keys-on-the-route, namespace: ${NAMESPACE}}
type: Opaque
data: {someone: c29tZS1vdGhlci1rZXk=}
`;
