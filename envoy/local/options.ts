// The command line of `make run` and `npm start`.
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { type Origin, parseOrigin } from "../../sidecar/config/values.ts";
import { DEFAULT_VERSION, OLDEST_VERSION, VERSIONS } from "../versions.ts";

export interface LocalOptions {
  /** Real pods. If empty, the run starts simulated pods. */
  pods: Origin[];
  port: number;
  envoyVersion: string | undefined;
  workers: number;
  /** A module to use instead of building one. */
  wasm: string | undefined;
  table: boolean;
  once: boolean;
}

const EXAMPLE = `
Examples:
  make run
  make run PODS="http://10.0.0.7:8000 http://10.0.0.8:8000"
  make run ARGS="--port 0 --workers 4"`;

export function parseOptions(argv: readonly string[]): LocalOptions {
  const program = command().exitOverride();
  program.parse(argv, { from: "user" });
  const given = program.opts<Partial<LocalOptions> & Pick<LocalOptions, "port" | "workers" | "table">>();
  const { pods = [], once = false, envoyVersion, wasm } = given;
  return { ...given, pods, once, envoyVersion, wasm };
}

export function command(): Command {
  return new Command("make run")
    .usage("[PODS=…] [ARGS=…]   or   npm start -- [options]")
    .description("Pods, sidecar and Envoy with Pilotfish on this machine, until Ctrl-C.")
    .option("--pods <urls>", "real pods, http://host:port, instead of three simulated ones", podUrls)
    .option("--port <port>", "port of Envoy's listener; 0 takes a free port", integer(0, 65_535), 10_000)
    .option(
      "--envoy-version <version>",
      `one of ${VERSIONS.join(", ")} (default: any from ${OLDEST_VERSION} on PATH, else ${DEFAULT_VERSION})`,
      version,
    )
    .option("--workers <n>", "Envoy's worker threads", integer(1, 64), 2)
    .option("--wasm <file>", "this module instead of build/pilotfish.wasm, which is then not built")
    .option("--no-table", "no live table")
    .option("--once", "end as soon as everything is ready")
    .allowExcessArguments(false)
    .showHelpAfterError("(make run ARGS=--help says more)")
    .addHelpText("after", EXAMPLE);
}

function podUrls(text: string, before: Origin[] = []): Origin[] {
  const found = text
    .split(/[\s,]+/)
    .filter(Boolean)
    .map((url) => {
      const origin = parseOrigin(url, ["http:"]);
      if (!origin) throw new InvalidArgumentError(`"${url}", expected http://host:port without a path.`);
      return origin;
    });
  if (found.length === 0) throw new InvalidArgumentError(`"${text}", expected at least one http://host:port.`);
  return [...before, ...found];
}

function integer(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected an integer from ${min} to ${max}.`);
  };
}

function version(text: string): string {
  if (/^\d+\.\d+\.\d+$/.test(text)) return text;
  throw new InvalidArgumentError(`Expected a version such as ${DEFAULT_VERSION}.`);
}

export { CommanderError };
