// Every key of the configuration: its shape, its default and a sentence of what it means. load.ts turns what is wrong
// into lines, table.ts the descriptions into the README's table.
import { isIP } from "node:net";
import { z } from "zod";
import { isAddress, nameProblem } from "../../protocol/grammar.ts";
import { LOG_LEVELS } from "../log.ts";
import { clusters, kubernetes, manifests, placeName } from "./cluster.ts";
import { engineName, engines } from "./engines.ts";
import { peersOf, places, policies } from "./places.ts";
import { push } from "./push.ts";
import { duration, expected, file, hostName, integer, origin, path, size } from "./values.ts";

const engine = engineName("Whose metric names the pod speaks.");

const podUrl = origin(["http:", "https:"], "http://host:port without a path");

const endpoint = z.preprocess(
  (value) => (typeof value === "string" ? { url: value } : value),
  z.strictObject(
    {
      url: podUrl.describe("`http://host:port` or `https://host:port`; a name stands for its first address."),
      engine,
      place: placeName.optional(),
    },
    expected("http://host:port, or an object with url"),
  ),
);

const dns = z.strictObject(
  {
    name: hostName.describe("The name; every A and AAAA address of it is a pod."),
    port: integer(1, 65535).describe("Where the pods listen."),
    interval: duration("100ms", "1h").prefault("5s").describe("How often the name is resolved."),
    engine,
  },
  expected("an object with name and port"),
);

const modelName = z.string().refine((name) => nameProblem(name) === null, "a model name of 1...256 bytes");

const staticModel = z
  .strictObject({
    base: modelName.optional().describe("Makes it an adapter of that base model."),
    endpoints: z
      .array(z.string().refine(isAddress, "ip:port"))
      .optional()
      .describe("`ip:port` of the pods that serve it; without it, all of them do."),
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
      .describe("Pods by address: `http://host:port`, or an object with `url`, `engine` and `place`."),
    dns: z
      .array(dns, expected("a list of objects with name and port"))
      .prefault([])
      .describe("Pods by name: objects with `name`, `port`, `interval` (`5s`) and `engine`. Each address is a pod."),
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
        interval: duration("10ms", "10m").prefault("100ms").describe("How often each pod's metrics are read."),
        timeout: duration("10ms", "1m").prefault("1s").describe("How long a pod's whole answer may take."),
        path: path.default("/metrics").describe("Where the pods tell their metrics."),
        maxBytes: size("64MiB").prefault("4MiB").describe("A longer answer is refused unread."),
        failures: integer(1, 1000)
          .default(3)
          .describe("Failures in a row that take a pod down; a refused connection does at once."),
        maxBackoff: duration("10ms", "10m")
          .prefault("1s")
          .describe("How long a failing pod waits for its next scrape at most."),
        concurrency: integer(1, 100_000)
          .default(1000)
          .describe("Scrapes under way at once, all pods together; those of failing pods have a quarter of it."),
        gzip: z
          .boolean(expected("true or false"))
          .default(false)
          .describe("Ask for compressed answers: a tenth of the bytes for some CPU on both sides."),
        scheme: z
          .enum(["http", "https"], expected("http or https"))
          .default("http")
          .describe("Of pods found by name or in a cluster; an endpoint's URL has its own."),
        tls: z
          .strictObject({
            ca: file.optional().describe("PEM file of the CAs that pods are believed by; without it, the system's."),
            cert: file.optional().describe("PEM file of the certificate that is shown to pods (mTLS), with `key`."),
            key: file.optional().describe("PEM file of its private key."),
            serverName: z
              .string(expected("a host name"))
              .min(1, "a host name")
              .optional()
              .describe("The name that pods' certificates must have; without it, their address."),
            verify: z
              .boolean(expected("true or false"))
              .default(true)
              .describe("false: any certificate is taken, as of a server that made its own."),
          })
          .prefault({}),
        bearerTokenFile: file
          .optional()
          .describe("File of a token that goes to the pods with each request; read again when it changes."),
      })
      .prefault({}),
    health: z
      .strictObject({
        probe: z
          .boolean(expected("true or false"))
          .default(false)
          .describe("Ask each pod whether it can serve; without it, its scrapes are all that is known."),
        path: path.optional().describe("Where pods answer 200 while they can."),
        interval: duration("100ms", "10m").prefault("2s").describe("How often each pod is asked."),
        timeout: duration("10ms", "1m").prefault("1s").describe("How long its answer may take."),
        failures: integer(1, 1000).default(3).describe("Failures in a row that take a pod out."),
        successes: integer(1, 1000).default(1).describe("Successes in a row that bring it back."),
      })
      .prefault({}),
    models: z
      .strictObject({
        interval: duration("100ms", "24h").prefault("10s").describe("How often each pod's `/v1/models` is read."),
        discover: z
          .boolean(expected("true or false"))
          .default(true)
          .describe("false: only `models.static` counts, pods are not asked."),
        static: z
          .record(modelName, staticModel, expected("an object of model names"))
          .prefault({})
          .describe("Model name → `base` and `endpoints` (`ip:port`); wins over what pods say."),
      })
      .prefault({}),
    push,
    listen: listen("ip:port, such as 127.0.0.1:9400")
      .prefault("127.0.0.1:9400")
      .describe("Where `/healthz`, `/readyz`, `/metrics` and `/objects` are served; port 0 takes a free one."),
    log: z
      .strictObject({
        level: z
          .enum(LOG_LEVELS, expected(`one of ${LOG_LEVELS.join(", ")}`))
          .default("info")
          .describe("Log lines are JSON on stderr."),
      })
      .prefault({}),
  },
  expected("an object of keys"),
);

type Parsed = z.output<typeof schema>;
/** A configuration that was checked: durations in milliseconds, sizes in bytes, addresses taken apart. */
export type Config = Omit<Parsed, "push"> & {
  push: Omit<Parsed["push"], "secret"> & {
    /** Tried in this order. Empty: they are in push.secretFile. */
    secrets: readonly string[];
  };
};
