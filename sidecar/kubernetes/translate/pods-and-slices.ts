// Schemas of the objects that have addresses: Pod and EndpointSlice.
import { z } from "zod";
import type { PodObject, Slice } from "../cluster-objects.ts";
import { ENGINE_LABEL, expected, ip, type Metadata, metadata, port } from "./fields.ts";

/** This annotation lists the ports of the pool that a data-parallel pod serves. The pod's owner sets it. */
const ACTIVE_PORTS = "inference.networking.k8s.io/active-ports";
/** llm-d's dual-pods controller sets this label on a pod whose engine sleeps. */
const SLEEPING_LABEL = "dual-pods.llm-d.ai/sleeping";

/** Reads a list of ports. Leaves out invalid ports, as the endpoint picker of the Gateway API Inference Extension does. */
function portList(text: string | undefined): number[] | null {
  if (text === undefined) return null;
  return text
    .split(",")
    .map((part) => Number(part.trim() || Number.NaN))
    .filter((number) => Number.isInteger(number) && number >= 1 && number <= 65535);
}

const condition = z.object({ type: z.string(), status: z.string() });

const podSchema = z.object({
  metadata,
  status: z
    .object(
      {
        phase: z.string(expected("a phase")).nullish(),
        podIP: ip.nullish().or(z.literal("")),
        podIPs: z.array(z.object({ ip }), expected("a list of objects with ip")).nullish(),
        conditions: z.array(condition, expected("a list of conditions")).nullish(),
      },
      expected("an object"),
    )
    .nullish(),
});

export const pod = podSchema.transform(({ metadata: meta, status }): PodObject => {
  const ended = status?.phase === "Succeeded" || status?.phase === "Failed";
  // A pod has one address here. The second address of a dual-stack pod reaches the same engine, so its load would count
  // twice.
  const address = status?.podIP || status?.podIPs?.[0]?.ip || null;
  return {
    kind: "pod",
    namespace: meta.namespace,
    name: meta.name,
    labels: meta.labels,
    ip: ended ? null : address,
    ready: status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true,
    terminating: meta.deletionTimestamp != null,
    asleep: meta.labels[SLEEPING_LABEL] === "true",
    engine: meta.labels[ENGINE_LABEL] ?? null,
    activePorts: portList(meta.annotations[ACTIVE_PORTS]),
  };
});

const SERVICE_LABEL = "kubernetes.io/service-name";
const flag = z.boolean(expected("true or false")).nullish();

const sliceSchema = z.object({
  metadata: metadata.refine((meta: Metadata) => meta.labels[SERVICE_LABEL] !== undefined, `the label ${SERVICE_LABEL}`),
  addressType: z.enum(["IPv4", "IPv6", "FQDN"], expected("IPv4, IPv6 or FQDN")),
  ports: z
    .array(
      z.object({ name: z.string(expected("a port's name")).nullish(), port: port.nullish() }),
      expected("a list of ports"),
    )
    .nullish(),
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string(expected("an address")), expected("a list of addresses")).min(1, "an address"),
        conditions: z.object({ ready: flag, serving: flag, terminating: flag }).nullish(),
      }),
      expected("a list of endpoints"),
    )
    .nullish(),
});

const checkedSlice = sliceSchema.superRefine((slice, context) => {
  if (slice.addressType === "FQDN") return;
  for (const [i, { addresses }] of (slice.endpoints ?? []).entries()) {
    if (ip.safeParse(addresses[0]).success) continue;
    context.addIssue({ code: "custom", message: "an IP address", path: ["endpoints", i, "addresses", 0] });
  }
});

export const slice = checkedSlice.transform(({ metadata: meta, addressType, ports, endpoints }): Slice => {
  // A slice of FQDNs has no members: its names are not resolved.
  const listed = addressType === "FQDN" ? [] : (endpoints ?? []);
  return {
    kind: "slice",
    namespace: meta.namespace,
    name: meta.name,
    service: meta.labels[SERVICE_LABEL] as string,
    engine: meta.labels[ENGINE_LABEL] ?? null,
    ports: (ports ?? []).flatMap(({ name, port: number }) =>
      number == null ? [] : [{ name: name ?? "", port: number }],
    ),
    // The API says that only the first address may be used.
    members: listed.map(({ addresses, conditions }) => {
      const terminating = conditions?.terminating === true;
      // A member without the condition is ready. A terminating member is never `ready`, but may still be `serving`.
      const ready = terminating ? conditions?.serving !== false : conditions?.ready !== false;
      return { ip: addresses[0] as string, ready, terminating };
    }),
  };
});
