// The keys of what a cluster, or a folder of its manifests, is asked for.
import { z } from "zod";
import { isPlaceName } from "../../protocol/grammar.ts";
import { engineName } from "./engines.ts";

function expected(text: string): { error: string } {
  return { error: text };
}

const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const POOL = /^(?:([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/)?([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)$/;
const SERVICE =
  /^(?:([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/)?([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)(?::([a-z0-9][-a-z0-9]{0,14}))?$/;

export const namespace = z
  .string(expected("a namespace, or * for all"))
  .refine((text) => text === "*" || NAMESPACE.test(text), "a namespace, or * for all");

const POOL_TEXT = "a pool, as name or namespace/name";
const pool = z.string(expected(POOL_TEXT)).transform((text, context) => {
  const parts = POOL.exec(text);
  if (parts !== null) return { namespace: parts[1], name: parts[2] as string };
  context.addIssue(POOL_TEXT);
  return z.NEVER;
});

const SERVICE_TEXT = "a Service, as name, namespace/name or namespace/name:port";
const service = z.string(expected(SERVICE_TEXT)).transform((text, context) => {
  const parts = SERVICE.exec(text);
  if (parts !== null) return { namespace: parts[1], name: parts[2] as string, port: parts[3] };
  context.addIssue(SERVICE_TEXT);
  return z.NEVER;
});

const pools = z
  .array(pool, expected("a list of pools"))
  .prefault([])
  .describe("InferencePools that are followed, as `name` or `namespace/name`; none given: all of them.");

const services = z.array(service, expected("a list of Services"));

const engine = engineName(
  "Whose metric names pods speak that have no label `inference.networking.k8s.io/engine-type`.",
);

const PLACE = "a place, 1 to 63 letters, digits, - and _";
export const placeName = z.string(expected(PLACE)).refine(isPlaceName, PLACE);

const cluster = z.strictObject(
  {
    kubeconfig: z
      .string(expected("a file"))
      .min(1, "a file")
      .optional()
      .describe("Without it: the pod's service account, else `$KUBECONFIG`, else `~/.kube/config`."),
    context: z
      .string(expected("a context's name"))
      .min(1, "a context's name")
      .optional()
      .describe("Of the kubeconfig."),
    namespaces: z
      .array(namespace, expected("a list of namespaces"))
      .prefault([])
      .describe("Which are looked at; `*` is all. None given: the service account's, or the context's."),
    pools,
    services: services
      .prefault([])
      .describe(
        "Plain Services whose endpoints are pods, as `[namespace/]name[:port]`, such as Ray's `ray/llm-serve-svc`.",
      ),
    policies: z
      .boolean(expected("true or false"))
      .default(false)
      .describe("true: GKE's policies are followed as well (`GCPBackendPolicy` and what belongs to it)."),
    place: placeName
      .optional()
      .describe("Where its pods are, a name of letters, digits, - and _; none given: `places.here`."),
    placeLabel: z
      .string(expected("a label's name"))
      .min(1, "a label's name")
      .optional()
      .describe("A label of its pods that says where each is, such as `topology.kubernetes.io/region`."),
    engine,
  },
  expected("an object of keys; {} takes the defaults"),
);

export const kubernetes = cluster.optional();

export const clusters = z
  .array(cluster, expected("a list of objects"))
  .prefault([])
  .describe(
    "Further clusters, such as other contexts of the kubeconfig: each an object with the keys of `kubernetes`.",
  );

export const manifests = z
  .strictObject(
    {
      directory: z
        .string(expected("a folder"))
        .min(1, "a folder")
        .describe("Its `.yaml`, `.yml` and `.json` files are read, and read again when they change."),
      pools,
      services: services
        .optional()
        .describe("Services of the EndpointSlices that are followed, as `[namespace/]name[:port]`."),
      place: placeName.optional().describe("As for `kubernetes.place`."),
      placeLabel: z
        .string(expected("a label's name"))
        .min(1, "a label's name")
        .optional()
        .describe("As for `kubernetes.placeLabel`."),
      engine,
    },
    expected("an object with directory"),
  )
  .optional();
