// The command line: the text of --help, and the translation of flags into the configuration's keys.
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { ENGINE_NAMES } from "./engines/index.ts";
import { LOG_LEVELS } from "./log.ts";

interface Invocation {
  config?: string;
  /** The flags as keys of the configuration. They win over the file. */
  flags: Record<string, unknown>;
  /** Whether to check the configuration and exit. */
  check: boolean;
}

function collect<T>(read: (text: string) => T) {
  return (text: string, before: T[] | undefined): T[] => [...(before ?? []), read(text)];
}

function nameAndPort(text: string): { name: string; port: number } {
  const at = /^([^:]+):([0-9]{1,5})$/.exec(text);
  if (at === null) throw new InvalidArgumentError("expected name:port");
  return { name: at[1] as string, port: Number(at[2]) };
}

const EXAMPLE = `
The secret that the filter knows comes from the environment variable PILOTFISH_SECRET.

Example:
  PILOTFISH_SECRET=... pilotfish --endpoint http://127.0.0.1:8000 --endpoint http://127.0.0.1:8001 \\
    --push http://127.0.0.1:10000

Other commands (each has its own --help):
  pilotfish check [manifests...]   show how Pilotfish reads manifests and configuration, and contradictions
  pilotfish plan                   show which pod and place a request would go to, and why
  pilotfish schema filter|sidecar  print the JSON Schema of the filter's or the sidecar's configuration`;

function command(): Command {
  return new Command("pilotfish")
    .description("Reads the load of model servers and pushes it into Pilotfish's filter in Envoy.")
    .option("-c, --config <file>", "YAML file; flags win over it")
    .option("-e, --endpoint <url>", "pod, http://host:port; may be repeated", collect(String))
    .option(
      "-d, --dns <name:port>",
      "DNS name, each of whose addresses is a pod; may be repeated",
      collect(nameAndPort),
    )
    .option("-k, --kubernetes", "follow the InferencePools of the cluster that this runs in, or of the kubeconfig")
    .option("--kubeconfig <file>", "follow the InferencePools of this cluster")
    .option("-m, --manifests <folder>", "follow the InferencePools, Pods and EndpointSlices in this folder's YAML")
    .option("-p, --push <url>", "Envoy listener with the filter, http://host:port; may be repeated", collect(String))
    .option(
      "--engine <name>",
      `model server whose metric names are used for the pods that flags find: ${ENGINE_NAMES.join(", ")}`,
    )
    .option("--scrape-interval <duration>", "interval between two scrapes of a pod, such as 100ms")
    .option("--models-interval <duration>", "interval between two requests for a pod's models, such as 10s")
    .option("--listen <ip:port>", "address of /healthz, /readyz, /metrics and /objects")
    .option("--log-level <level>", LOG_LEVELS.join(", "))
    .option("--check", "check the configuration and exit")
    .allowExcessArguments(false)
    .showHelpAfterError("(pilotfish --help says more)")
    .addHelpText("after", EXAMPLE);
}

interface Options {
  config?: string;
  endpoint?: string[];
  dns?: Array<{ name: string; port: number }>;
  kubernetes?: boolean;
  kubeconfig?: string;
  manifests?: string;
  push?: string[];
  engine?: string;
  scrapeInterval?: string;
  modelsInterval?: string;
  listen?: string;
  logLevel?: string;
  check?: boolean;
}

/** Reads the arguments. Throws a CommanderError for --help (exit code 0), and for a wrong flag or value. */
export function parseArguments(argv: readonly string[]): Invocation {
  const program = command().exitOverride();
  program.parse(argv, { from: "user" });
  const given = program.opts<Options>();
  const engine = given.engine === undefined ? {} : { engine: given.engine };
  const cluster = given.kubernetes === true || given.kubeconfig !== undefined;
  const flags = {
    endpoints: given.endpoint?.map((url) => ({ url, ...engine })),
    dns: given.dns?.map((name) => ({ ...name, ...engine })),
    kubernetes: cluster ? { kubeconfig: given.kubeconfig, ...engine } : undefined,
    manifests: given.manifests === undefined ? undefined : { directory: given.manifests, ...engine },
    scrape: { interval: given.scrapeInterval },
    models: { interval: given.modelsInterval },
    push: { targets: given.push },
    listen: given.listen,
    log: { level: given.logLevel },
  };
  return { ...(given.config !== undefined && { config: given.config }), flags, check: given.check === true };
}

export { CommanderError };
