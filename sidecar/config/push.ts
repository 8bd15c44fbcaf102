// The keys under `push`: what the sidecar sends to filters, and to which Envoys.
import { z } from "zod";
import { SECRET_ENV, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { namespace } from "./cluster.ts";
import { described, duration, expected, file, hostName, integer, origin, path } from "./values.ts";

// The bytes that a header value may have without quoting. Envoy refuses other bytes.
export const SECRET = /^[\x21-\x7e]{1,1024}$/;
const SECRET_TEXT = "1...1024 visible ASCII characters";
const secret = z.string(expected(SECRET_TEXT)).regex(SECRET, SECRET_TEXT);

const port = integer(1, 65535).describe("The port of the listener with the filter.");
const scheme = z
  .enum(["http", "https"], expected("http or https"))
  .default("http")
  .describe("The scheme of the listener.");

const dns = z.strictObject(
  {
    name: hostName.describe("The name. Each of its A and AAAA addresses is an Envoy."),
    port,
    scheme,
    interval: duration("100ms", "1h").prefault("5s").describe("How often the name is resolved."),
  },
  expected("an object with name and port"),
);

const SELECTOR = /^[A-Za-z0-9./_,=!()\s-]{1,1024}$/;
const kubernetes = z
  .strictObject(
    {
      selector: z
        .string(expected("a label selector"))
        .regex(SELECTOR, "a label selector")
        .describe("Labels of the Envoys' pods, such as `gateway.envoyproxy.io/owning-gateway-name=llm`."),
      namespace: namespace.optional().meta(described("The namespace of the Envoys.", "the sidecar's own")),
      port,
      scheme,
      kubeconfig: file
        .optional()
        .meta(described("The kubeconfig that leads to the cluster.", "as for `kubernetes.kubeconfig`")),
      context: z
        .string(expected("a context's name"))
        .min(1, "a context's name")
        .optional()
        .meta(described("The context of the kubeconfig.", "the current context")),
    },
    expected("an object with selector and port"),
  )
  .optional();

const urls = z.array(
  origin(["http:", "https:"], "http://host:port without a path"),
  expected("a list of http://host:port"),
);
const names = z.array(dns, expected("a list of objects with name and port"));

export const push = z
  .strictObject({
    targets: urls
      .prefault([])
      .describe(
        "Envoy listeners with the filter, such as `http://127.0.0.1:10000`. One of `targets`, `dns` and `kubernetes` is needed.",
      ),
    dns: names.prefault([]).describe("Envoys by name, such as the name of a headless Service."),
    kubernetes: kubernetes.meta(described("Envoys by the labels of their pods.", "none")),
    peers: z
      .strictObject(
        {
          targets: urls.prefault([]).describe("The other sidecars' Envoys by address."),
          dns: names.prefault([]).describe("The other sidecars' Envoys by name."),
          kubernetes: kubernetes.meta(described("The other sidecars' Envoys by the labels of their pods.", "none")),
        },
        expected("an object of keys"),
      )
      .prefault({})
      .describe(
        "Envoys that other sidecars push snapshots to. `targets`, `dns` and `kubernetes` have the same form as under `push`. One of the sidecars asks all these Envoys for their in-flight requests, and sends each the sum of the others.",
      ),
    exchange: z
      .boolean(expected("true or false"))
      .default(true)
      .describe("`true`: each Envoy receives the in-flight requests of the other Envoys."),
    path: path.default(SNAPSHOT_PATH).describe("The path to which snapshots are POSTed: the filter's `snapshot.path`."),
    secret: z
      .union([secret, z.array(secret).min(1, SECRET_TEXT).max(4, "at most 4 secrets")], expected(SECRET_TEXT))
      .optional()
      .meta({
        "x-type": "text, or a list of up to 4",
        ...described(
          "The secret that the filter has, or several secrets that are tried in turn. A file or a variable keeps the secret out of the configuration.",
          "`secretFile`, else `secretEnv`",
        ),
      }),
    secretFile: file
      .optional()
      .meta(
        described(
          "The file with the secret, such as a mounted Kubernetes Secret. Each line has one secret. The file is read again when it changes.",
          "none",
        ),
      ),
    secretEnv: z
      .string(expected("the name of an environment variable"))
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of an environment variable")
      .default(SECRET_ENV)
      .describe(
        "The environment variable with the secret, if neither `secret` nor `secretFile` is given. The variable with `_NEXT` behind the name has a second secret.",
      ),
    tls: z
      .strictObject({
        ca: file.optional().meta(described("PEM file of the CAs that sign the Envoys' certificates.", "the system's")),
        cert: file
          .optional()
          .meta(described("PEM file of the sidecar's certificate for Envoys (mTLS), with `key`.", "none")),
        key: file.optional().meta(described("PEM file of the private key of `cert`.", "none")),
        serverName: z
          .string(expected("a host name"))
          .min(1, "a host name")
          .optional()
          .meta(described("The name that the Envoys' certificates must have.", "the target's")),
      })
      .prefault({}),
    interval: duration("1ms", "10s").prefault("50ms").describe("The shortest time between two pushes to a target."),
    heartbeat: duration("10ms", "10s")
      .prefault("500ms")
      .describe(
        "The longest time between two pushes, even if nothing changed. It must be well below the filter's `snapshot.staleAfter`.",
      ),
    timeout: duration("10ms", "1m").prefault("1s").describe("The longest time for a target's response."),
    minBackoff: duration("1ms", "1m")
      .prefault("50ms")
      .describe("The wait after a first failed push. The wait doubles with each further failure."),
    maxBackoff: duration("1ms", "10m")
      .prefault("1s")
      .describe(
        "The longest wait between two tries. While nothing listens at the target, tries are 100 ms or `minBackoff` apart.",
      ),
  })
  .prefault({});

type PushConfig = z.output<typeof push>;
/** The keys that say where Envoys are. */
export type Places = Pick<PushConfig, "targets" | "dns" | "kubernetes">;

/** Keys whose values no error message may show. */
export const SECRET_KEYS: ReadonlySet<string> = new Set(["push.secret"]);

/** Returns the secrets in the order in which they are tried. The list is empty if the secrets are in a file. */
export function secretsOf(
  push: Pick<PushConfig, "secret" | "secretFile" | "secretEnv">,
  env: NodeJS.ProcessEnv,
): { secrets: string[]; problems: string[] } {
  if (push.secretFile !== undefined) {
    const both = push.secret !== undefined;
    return {
      secrets: [],
      problems: both ? ["push.secret: got a value that is not shown, expected none beside push.secretFile"] : [],
    };
  }
  const next = `${push.secretEnv}_NEXT`;
  const given = push.secret ?? [env[push.secretEnv], env[next]].filter((one) => one !== undefined && one !== "");
  const secrets = [given].flat() as string[];
  if (secrets.length === 0) {
    return {
      secrets,
      problems: [`push.secret: got nothing, expected a secret in the environment variable ${push.secretEnv}`],
    };
  }
  const name = push.secret === undefined ? push.secretEnv : "push.secret";
  const fit = secrets.every((one) => SECRET.test(one));
  return { secrets, problems: fit ? [] : [`${name}: got a value that is not shown, expected ${SECRET_TEXT}`] };
}
