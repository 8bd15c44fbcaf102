// Reads HTTPRoutes and Gateways. Only `pilotfish check` uses them, to find objects that do not fit the routes; Envoy does the
// routing.

import { z } from "zod";
import { MODEL_HEADER } from "../../protocol/constants.ts";

const named = z.looseObject({
  name: z.string(),
  namespace: z
    .string()
    .nullish()
    .transform((value) => value ?? "default"),
});

const parentRef = z.looseObject({ name: z.string(), sectionName: z.string().nullish() });

const backendRef = z.looseObject({
  group: z
    .string()
    .nullish()
    .transform((value) => value ?? ""),
  kind: z
    .string()
    .nullish()
    .transform((value) => value ?? "Service"),
  name: z.string(),
  port: z.int().nullish(),
});

const match = z.looseObject({
  path: z.looseObject({ type: z.string().nullish(), value: z.string().nullish() }).nullish(),
  headers: z.array(z.looseObject({ type: z.string().nullish(), name: z.string(), value: z.string() })).nullish(),
});

const route = z.looseObject({
  metadata: named,
  spec: z.looseObject({
    parentRefs: z.array(parentRef).nullish(),
    rules: z
      .array(z.looseObject({ matches: z.array(match).nullish(), backendRefs: z.array(backendRef).nullish() }))
      .nullish(),
  }),
});

const gateway = z.looseObject({
  metadata: named,
  spec: z.looseObject({
    gatewayClassName: z.string().nullish(),
    listeners: z.array(z.looseObject({ name: z.string(), port: z.int(), protocol: z.string() })),
  }),
});

export interface RouteRule {
  route: string;
  namespace: string;
  /** The gateways and listeners of the route, as `gateway` or `gateway/listener`. */
  parents: string[];
  /** Model names that the rule matches in MODEL_HEADER; empty: the rule does not use the header. */
  models: string[];
  paths: string[];
  backends: Array<{ kind: string; name: string; port: number | null }>;
}

export interface GatewayListeners {
  /** The name for people, such as `Gateway default/llm`. */
  title: string;
  listeners: Array<{ name: string; port: number; protocol: string }>;
}

/** Returns the rules of an HTTPRoute, or a text that says what is wrong with the object. */
export function readRoute(input: unknown): RouteRule[] | string {
  const parsed = route.safeParse(input);
  if (!parsed.success) return `${parsed.error.issues[0]?.path.join(".")}: ${parsed.error.issues[0]?.message}`;
  const { metadata, spec } = parsed.data;
  const parents = (spec.parentRefs ?? []).map(({ name, sectionName }) =>
    sectionName ? `${name}/${sectionName}` : name,
  );
  return (spec.rules ?? []).map(({ matches, backendRefs }) => {
    const headers = (matches ?? []).flatMap(({ headers: each }) => each ?? []);
    return {
      route: `HTTPRoute ${metadata.namespace}/${metadata.name}`,
      namespace: metadata.namespace,
      parents,
      models: headers.filter(({ name }) => name.toLowerCase() === MODEL_HEADER).map(({ value }) => value),
      paths: (matches ?? []).flatMap(({ path }) => (path?.value == null ? [] : [path.value])),
      backends: (backendRefs ?? []).map(({ kind, name, port }) => ({ kind, name, port: port ?? null })),
    };
  });
}

/** Returns the listeners of a Gateway, or a text that says what is wrong with the object. */
export function readGateway(input: unknown): GatewayListeners | string {
  const parsed = gateway.safeParse(input);
  if (!parsed.success) return `${parsed.error.issues[0]?.path.join(".")}: ${parsed.error.issues[0]?.message}`;
  const { metadata, spec } = parsed.data;
  const listeners = spec.listeners.map(({ name, port, protocol }) => ({ name, port, protocol }));
  return { title: `Gateway ${metadata.namespace}/${metadata.name}`, listeners };
}
