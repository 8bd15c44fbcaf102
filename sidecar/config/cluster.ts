// The keys under `kubernetes` and `manifests`: which pods of a cluster, or of a folder of manifests, are used.
import { z } from "zod";
import { isPlaceName } from "../../protocol/grammar.ts";
import { engineName } from "./engines.ts";
import { described, expected, file } from "./values.ts";

const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const POOL = /^(?:([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/)?([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)$/;
const SERVICE =
  /^(?:([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/)?([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)(?::([a-z0-9][-a-z0-9]{0,14}))?$/;

export const namespace = z
  .string(expected("a namespace, or * for all"))
  .refine((text) => text === "*" || NAMESPACE.test(text), "a namespace, or * for all")
  .meta({ "x-type": "a namespace, or `*` for all" });

const POOL_TEXT = "a pool, as name or namespace/name";
const pool = z
  .string(expected(POOL_TEXT))
  .transform((text, context) => {
    const parts = POOL.exec(text);
    if (parts !== null) return { namespace: parts[1], name: parts[2] as string };
    context.addIssue(POOL_TEXT);
    return z.NEVER;
  })
  .meta({ pattern: POOL.source, "x-type": "a pool, `[namespace/]name`" });

const SERVICE_TEXT = "a Service, as name, namespace/name or namespace/name:port";
const service = z
  .string(expected(SERVICE_TEXT))
  .transform((text, context) => {
    const parts = SERVICE.exec(text);
    if (parts !== null) return { namespace: parts[1], name: parts[2] as string, port: parts[3] };
    context.addIssue(SERVICE_TEXT);
    return z.NEVER;
  })
  .meta({ pattern: SERVICE.source, "x-type": "a Service, `[namespace/]name[:port]`" });

const pools = z
  .array(pool, expected("a list of pools"))
  .prefault([])
  .describe("The InferencePools whose pods are used. An empty list: all of them.");

const services = z.array(service, expected("a list of Services"));

const engine = engineName(
  "The model server of pods without the label `inference.networking.k8s.io/engine-type`, for the names of its metrics.",
);

const PLACE = "a place, 1 to 63 letters, digits, - and _";
export const placeName = z
  .string(expected(PLACE))
  .refine(isPlaceName, PLACE)
  .meta({ pattern: "^[A-Za-z0-9_-]{1,63}$", "x-type": "name of a place" });

const cluster = z.strictObject(
  {
    kubeconfig: file
      .optional()
      .meta(
        described(
          "The kubeconfig that leads to the cluster.",
          "the pod's service account, else `$KUBECONFIG`, else `~/.kube/config`",
        ),
      ),
    context: z
      .string(expected("a context's name"))
      .min(1, "a context's name")
      .optional()
      .meta(described("The context of the kubeconfig.", "the current context")),
    namespaces: z
      .array(namespace, expected("a list of namespaces"))
      .prefault([])
      .describe(
        "The namespaces whose pools are followed; `*` stands for all. An empty list: the namespace of the service account or context.",
      ),
    pools,
    services: services
      .prefault([])
      .describe("Services without an InferencePool whose endpoints are pods, such as Ray's `ray/llm-serve-svc`."),
    policies: z
      .boolean(expected("true or false"))
      .default(false)
      .describe("`true`: GKE's `GCPBackendPolicy` objects and the objects they refer to are followed as well."),
    place: placeName.optional().meta(described("The place of the cluster's pods.", "`places.here`")),
    placeLabel: z
      .string(expected("a label's name"))
      .min(1, "a label's name")
      .optional()
      .meta(
        described("The label of a pod that names the pod's place, such as `topology.kubernetes.io/region`.", "none"),
      ),
    engine,
  },
  expected("an object of keys; {} takes the defaults"),
);

export const kubernetes = cluster
  .optional()
  .meta(described("The cluster whose InferencePools are followed. `{}` takes the defaults.", "no cluster is followed"));

export const clusters = z
  .array(cluster, expected("a list of objects"))
  .prefault([])
  .describe(
    "Further clusters, such as other contexts of the kubeconfig. Each is an object with the keys of `kubernetes`.",
  )
  .meta({ "x-as": "kubernetes" });

export const manifests = z
  .strictObject(
    {
      directory: z
        .string(expected("a folder"))
        .min(1, "a folder")
        .describe("The folder. Its `.yaml`, `.yml` and `.json` files are read, and read again when they change."),
      pools,
      services: services.optional().meta(described("The Services whose EndpointSlices are followed.", "all of them")),
      place: placeName.optional().meta(described("The place of the pods.", "`places.here`")),
      placeLabel: z
        .string(expected("a label's name"))
        .min(1, "a label's name")
        .optional()
        .meta(described("The label of a pod that names the pod's place.", "none")),
      engine,
    },
    expected("an object with directory"),
  )
  .optional()
  .meta(described("A folder of Kubernetes manifests that is followed like a cluster.", "no folder is followed"));
