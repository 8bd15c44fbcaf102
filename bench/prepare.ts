// The steps of the benches on a real Envoy before they measure: read options, find the Envoy, build a peer, isolate the run.
import { copyFile } from "node:fs/promises";
import { InvalidArgumentError } from "commander";
import { type Found, findEnvoy } from "../envoy/binary.ts";
import { DEFAULT_VERSION } from "../envoy/versions.ts";
import { checkSchedstat } from "../testkit/cpu.ts";
import { GoBuildError } from "../testkit/go/program.ts";
import { buildPeer, type Peer } from "../testkit/peers/go-peers.ts";
import { isIsolated, namespaceCommand, runIsolated } from "../testkit/peers/isolate.ts";

export const progress = (line: string): void => void process.stderr.write(`${line}\n`);

/** Reads an option: a list of known names, separated by commas. */
export function someOf<T extends string>(known: readonly T[]): (given: string) => T[] {
  return (given) =>
    given.split(",").map((name) => {
      const found = known.find((one) => one === name.trim());
      if (found === undefined) throw new InvalidArgumentError(`"${name}" given, expected some of ${known.join(",")}`);
      return found;
    });
}

/** Reads an option: a whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): (given: string) => number {
  return (given) => {
    const value = Number(given);
    if (!Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`"${given}" given, expected a whole number from ${min} to ${max}`);
    return value;
  };
}

/** Reads an option: a number from `min` to `max`. */
export function numberFrom(min: number, max: number): (given: string) => number {
  return (given) => {
    const value = Number(given);
    if (given.trim() === "" || !(value >= min && value <= max))
      throw new InvalidArgumentError(`"${given}" given, expected a number from ${min} to ${max}`);
    return value;
  };
}

type LocalEnvoy = Extract<Found, { kind: "binary" }>;

/** Finds an Envoy binary. Throws if the kernel does not account CPU time per thread, which the benches read from /proc. */
export async function findLocalEnvoy(): Promise<LocalEnvoy> {
  checkSchedstat();
  const found = await findEnvoy({ runtime: "binary", version: DEFAULT_VERSION, progress });
  if (found.kind !== "binary") throw new Error("an Envoy binary is needed: the bench reads its CPU time from /proc");
  return found;
}

/** Returns the path of a peer's binary. Without Go the bench runs without the peer, and `why` gives the reason. */
export async function peerOrWhy(peer: Peer): Promise<{ path?: string; why?: string }> {
  try {
    return { path: await buildPeer(peer, progress) };
  } catch (error) {
    if (!(error instanceof GoBuildError) || error.code !== "GO_MISSING") throw error;
    return { why: `${peer.title} did not run: ${error.message}` };
  }
}

type Isolation = { isolated: boolean } | { status: Promise<number> };

/**
 * Runs this program again in a network namespace of its own, because peers listen on every interface. `status` is the exit status of
 * that run. In the namespace, and where the system allows no namespace, the result says whether the network is isolated.
 */
export function isolate(found: LocalEnvoy): Isolation {
  if (isIsolated()) return { isolated: true };
  const namespace = namespaceCommand();
  // Fetching the Envoy and building the peer needed the network. The run needs loopback only.
  return namespace ? { status: runIsolated(namespace, { ENVOY_BIN: found.path }) } : { isolated: false };
}

/** Copies a module, so that a build during the run does not change what is measured. */
export async function copyModule(file: string, copy: string, option: string): Promise<string> {
  await copyFile(file, copy).catch((error: unknown) => {
    throw new Error(`${option}: ${file} cannot be read; run make build first, or name a pilotfish.wasm`, {
      cause: error,
    });
  });
  return copy;
}

/** Runs a bench's main function and exits with the status that it returns. */
export async function exitWith(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
