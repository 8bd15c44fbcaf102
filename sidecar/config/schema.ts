// Every key of the sidecar's configuration: its type, default, range and description. load.ts turns each error into a line.
// `make docs` writes schemas/sidecar.schema.json and docs/reference/sidecar-configuration.md from this.
import { isIP } from "node:net";
import { z } from "zod";
import { isAddress, nameProblem } from "../../protocol/grammar.ts";
import { LOG_LEVELS } from "../log.ts";
import { clusters, kubernetes, manifests, placeName } from "./cluster.ts";
import { engineName, engines } from "./engines.ts";
import { learn } from "./learn.ts";
import { peersOf, places, policies } from "./places.ts";
import { push } from "./push.ts";
import { described, duration, expected, file, hostName, integer, origin, path, size } from "./values.ts";

const engine = engineName("The model server of the pod, for the names of its metrics.");

const podUrl = origin(["http:", "https:"], "http://host:port without a path");

const endpoint = z
  .preprocess(
    (value) => (typeof value === "string" ? { url: value } : value),
    z.strictObject(
      {
        url: podUrl.describe("`http://host:port` or `https://host:port`. A host name stands for its first address."),
        engine,
        place: placeName.optional().meta(described("The place of the pod.", "`places.here`")),
      },
      expected("http://host:port, or an object with url"),
    ),
  )
  .meta({ "x-or": { type: "string", "x-type": "URL without a path" } });

const dns = z.strictObject(
  {
    name: hostName.describe("The name. Each of its A and AAAA addresses is a pod."),
    port: integer(1, 65535).describe("The port on which the pods listen."),
    interval: duration("100ms", "1h").prefault("5s").describe("How often the name is resolved."),
    engine,
  },
  expected("an object with name and port"),
);

const SHARE = "a share, from 0.0001 to 1";

const modelName = z.string().refine((name) => nameProblem(name) === null, "a model name of 1...256 bytes");

const staticModel = z
  .strictObject({
    base: modelName.optional().meta(described("The base model, if the model is an adapter.", "none")),
    endpoints: z
      .array(z.string().refine(isAddress, "ip:port"))
      .optional()
      .meta(described("The addresses of the pods that serve the model.", "all pods")),
  })
  .nullable()
  .transform((value) => value ?? {});

function listen(text: string) {
  return z.string(expected(text)).transform((value, context) => {
    const at = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(value);
    const host = at?.[1] ?? at?.[2] ?? "";
    const port = Number(at?.[3]);
    if (at !== null && port <= 65535 && (host === "" || host === "localhost" || isIP(host) !== 0))
      return { host, port };
    context.addIssue(text);
    return z.NEVER;
  });
}

export const schema = z.strictObject(
  {
    endpoints: z
      .array(endpoint, expected("a list of http://host:port"))
      .prefault([])
      .describe("Pods by address. A URL alone is short for an object with `url`."),
    dns: z
      .array(dns, expected("a list of objects with name and port"))
      .prefault([])
      .describe("Pods by name, such as the name of a headless Service."),
    kubernetes,
    clusters,
    manifests,
    places,
    policies,
    peers: peersOf(origin(["http:"], "http://host:port without a path"), (text) =>
      duration("10ms", "1h").prefault(text),
    ),
    engines,
    scrape: z
      .strictObject({
        interval: duration("10ms", "10m")
          .prefault("50ms")
          .describe(
            "The shortest time between two scrapes of a pod's metrics. Pods are scraped this often while other clients' load changes, or while picks use the servers' queues.",
          ),
        maxInterval: duration("10ms", "10m")
          .prefault("2s")
          .describe(
            "The longest time between two scrapes of a pod. If it is not above `interval`, each pod is scraped every `interval`.",
          ),
        share: z
          .number(expected(SHARE))
          .min(0.0001, SHARE)
          .max(1, SHARE)
          .default(0.005)
          .describe(
            "The largest share of a pod's time that scrapes take while the Envoys explain the pod's load, from the pod's time to answer. While they do not, scrapes may take ten times as much. `maxInterval` comes first.",
          ),
        timeout: duration("10ms", "1m").prefault("1s").describe("The longest time for a pod's whole response."),
        path: path.default("/metrics").describe("The path of the pods' metrics."),
        restrict: z
          .boolean(expected("true or false"))
          .default(true)
          .describe(
            "`true`: ask each pod only for the metrics that are used, if the pod restricts its page correctly. `false`: always ask for all.",
          ),
        maxBytes: size("64MiB").prefault("4MiB").describe("The largest response. A larger one counts as a failure."),
        failures: integer(1, 1000)
          .default(3)
          .describe(
            "Failed scrapes in a row after which a pod is not ready. After a refused connection the pod is not ready at once.",
          ),
        maxBackoff: duration("10ms", "10m")
          .prefault("1s")
          .describe("The longest time between two scrapes of a failing pod."),
        concurrency: integer(1, 100_000)
          .default(1000)
          .describe(
            "The maximum of scrapes at the same time, of all pods together. Failing pods may use a quarter of them.",
          ),
        gzip: z
          .boolean(expected("true or false"))
          .default(false)
          .describe("`true`: ask for compressed responses. They have a tenth of the bytes and cost CPU on both sides."),
        scheme: z
          .enum(["http", "https"], expected("http or https"))
          .default("http")
          .describe("The scheme of pods that are found by name or in a cluster. A URL in `endpoints` has its own."),
        tls: z
          .strictObject({
            ca: file
              .optional()
              .meta(described("PEM file of the CAs that sign the pods' certificates.", "the system's")),
            cert: file
              .optional()
              .meta(described("PEM file of the sidecar's certificate for pods (mTLS), with `key`.", "none")),
            key: file.optional().meta(described("PEM file of the private key of `cert`.", "none")),
            serverName: z
              .string(expected("a host name"))
              .min(1, "a host name")
              .optional()
              .meta(described("The name that the pods' certificates must have.", "the pod's address")),
            verify: z
              .boolean(expected("true or false"))
              .default(true)
              .describe("`false`: every certificate is accepted, such as one that the server signed itself."),
          })
          .prefault({}),
        bearerTokenFile: file
          .optional()
          .meta(
            described(
              "The file of a token that is sent to the pods with each request. The file is read again when it changes.",
              "none",
            ),
          ),
      })
      .prefault({}),
    health: z
      .strictObject({
        probe: z
          .boolean(expected("true or false"))
          .default(false)
          .describe("`true`: probe each pod's health. `false`: a pod is ready while its scrapes succeed."),
        path: path
          .optional()
          .meta(described("The path on which a healthy pod responds with 200.", "the model server's")),
        interval: duration("100ms", "10m").prefault("2s").describe("How often each pod is probed."),
        timeout: duration("10ms", "1m").prefault("1s").describe("The longest time for the response to a probe."),
        failures: integer(1, 1000).default(3).describe("Failed probes in a row after which a pod is not ready."),
        successes: integer(1, 1000)
          .default(1)
          .describe("Successful probes in a row after which the pod is ready again."),
      })
      .prefault({}),
    models: z
      .strictObject({
        interval: duration("100ms", "24h")
          .prefault("10s")
          .describe("How often the models of each pod are read from `/v1/models`."),
        discover: z
          .boolean(expected("true or false"))
          .default(true)
          .describe("`false`: pods are not asked, and only `models.static` counts."),
        static: z
          .record(modelName, staticModel, expected("an object of model names"))
          .prefault({})
          .describe("Models by name, with `base` and `endpoints`. They win over what pods report."),
      })
      .prefault({}),
    learn,
    push,
    listen: listen("ip:port, such as 127.0.0.1:9400")
      .prefault("127.0.0.1:9400")
      .meta({
        "x-type": "`ip:port`",
        ...described(
          "The address at which the sidecar serves the status page, `/healthz`, `/readyz`, `/metrics`, `/objects` and `/pools/`. Port 0 takes a free port.",
        ),
      }),
    log: z
      .strictObject({
        level: z
          .enum(LOG_LEVELS, expected(`one of ${LOG_LEVELS.join(", ")}`))
          .default("info")
          .describe("The lowest level that is logged. Log lines are JSON on stderr."),
      })
      .prefault({}),
  },
  expected("an object of keys"),
);

type Parsed = z.output<typeof schema>;
/** A checked configuration. Durations are milliseconds, sizes are bytes, and addresses are split into host and port. */
export type Config = Omit<Parsed, "push"> & {
  /** A line for each key that works but should be changed. */
  warnings: readonly string[];
  push: Omit<Parsed["push"], "secret"> & {
    /** Secrets, tried in this order. Empty: the secrets are in push.secretFile. */
    secrets: readonly string[];
  };
};
