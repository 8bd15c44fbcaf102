// The keys of what the filters are told, and of which Envoys they run in.
import { z } from "zod";
import { SECRET_ENV, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { namespace } from "./cluster.ts";
import { duration, expected, file, hostName, integer, origin, path } from "./values.ts";

// What a header value can hold without quoting; Envoy refuses other bytes.
export const SECRET = /^[\x21-\x7e]{1,1024}$/;
const SECRET_TEXT = "1...1024 visible ASCII characters";
const secret = z.string(expected(SECRET_TEXT)).regex(SECRET, SECRET_TEXT);

const port = integer(1, 65535).describe("Of the listener with the filter.");
const scheme = z.enum(["http", "https"], expected("http or https")).default("http");

const dns = z.strictObject(
  {
    name: hostName.describe("The name; every A and AAAA address of it is an Envoy."),
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
      namespace: namespace.optional().describe("Where they are; without it, the own one."),
      port,
      scheme,
      kubeconfig: file.optional(),
      context: z.string(expected("a context's name")).min(1, "a context's name").optional(),
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
        "Envoy listeners that carry the filter: `http://host:port` or `https://host:port`. One of these three is needed.",
      ),
    dns: names
      .prefault([])
      .describe(
        "Envoys by name, as of a headless Service: objects with `name`, `port`, `scheme` (`http`) and `interval` (`5s`).",
      ),
    kubernetes: kubernetes.describe(
      "Envoys by label: `selector`, `port`, `namespace` (the own one), `scheme` (`http`), `kubeconfig`, `context`.",
    ),
    peers: z
      .strictObject({ targets: urls.prefault([]), dns: names.prefault([]), kubernetes }, expected("an object of keys"))
      .prefault({})
      .describe(
        "Envoys that other sidecars push to, given by `targets`, `dns` and `kubernetes` as here: what they have in flight is asked for.",
      ),
    exchange: z
      .boolean(expected("true or false"))
      .default(true)
      .describe("Tell each Envoy what the others have in flight, where there are several."),
    path: path.default(SNAPSHOT_PATH).describe("Where the filter takes snapshots: its `snapshot.path`."),
    secret: z
      .union([secret, z.array(secret).min(1, SECRET_TEXT).max(4, "at most 4 secrets")], expected(SECRET_TEXT))
      .optional()
      .describe(
        "The secret that the filter knows, or a list that is tried in turn. Better left out, and given otherwise.",
      ),
    secretFile: file
      .optional()
      .describe(
        "File with the secret, as of a mounted Kubernetes Secret; a line each for several. Read again when it changes.",
      ),
    secretEnv: z
      .string(expected("the name of an environment variable"))
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of an environment variable")
      .default(SECRET_ENV)
      .describe(
        "Variable that holds the secret when neither of both is given; the one with `_NEXT` behind it, a second one.",
      ),
    tls: z
      .strictObject({
        ca: file.optional().describe("PEM file of the CAs that Envoys are believed by; without it, the system's."),
        cert: file.optional().describe("PEM file of the certificate that is shown to Envoys (mTLS), with `key`."),
        key: file.optional().describe("PEM file of its private key."),
        serverName: z
          .string(expected("a host name"))
          .min(1, "a host name")
          .optional()
          .describe("The name that Envoys' certificates must have; without it, the target's."),
      })
      .prefault({}),
    interval: duration("1ms", "10s").prefault("50ms").describe("At most one push per target in this time."),
    heartbeat: duration("10ms", "10s")
      .prefault("500ms")
      .describe("A push at least this often, though nothing changed; well below the filter's stale limit."),
    timeout: duration("10ms", "1m").prefault("1s").describe("How long a target's answer may take."),
    retryMin: duration("1ms", "1m")
      .prefault("50ms")
      .describe("The wait after a first failure; it doubles with each further one."),
    retryMax: duration("1ms", "10m").prefault("1s").describe("The longest wait between tries."),
  })
  .prefault({});

export type PushConfig = z.output<typeof push>;
/** Where Envoys are. */
export type Places = Pick<PushConfig, "targets" | "dns" | "kubernetes">;

/** Keys whose value no error may show. */
export const SECRET_KEYS: ReadonlySet<string> = new Set(["push.secret"]);

/** Without a problem, secrets to try in this order; none where they are in a file. */
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
