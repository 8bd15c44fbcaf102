// Queries the Docker engine by the docker command, which handles contexts, sockets and rootless set-ups.

import { execFile } from "node:child_process";
import type { Environment } from "./wheel.ts";

/** The output of a docker command. Undefined if docker is not installed, no engine answers, or the command fails. */
export function docker(args: string[], env: Environment = process.env, timeout = 10_000): Promise<string | undefined> {
  return new Promise((done) => {
    execFile("docker", args, { env: env as NodeJS.ProcessEnv, timeout }, (error, stdout) => {
      done(error ? undefined : stdout.trim());
    });
  });
}

/** The engine's version. Undefined if no engine answers. */
export async function dockerEngine(env: Environment = process.env): Promise<string | undefined> {
  return (await docker(["version", "--format", "{{.Server.Version}}"], env)) || undefined;
}

/** Names of images with this version, best first. `envoy/image.ts` builds the first one from a binary. */
export function imageNames(version: string, env: Environment = process.env): string[] {
  if (env.ENVOY_IMAGE) return [env.ENVOY_IMAGE];
  const minor = version.split(".").slice(0, 2).join(".");
  return [`pilotfish/envoy:${version}`, `envoyproxy/envoy:v${version}`, `envoyproxy/envoy:v${minor}-latest`];
}

/** The first of the images that the engine already has. */
export async function presentImage(version: string, env: Environment = process.env): Promise<string | undefined> {
  for (const name of imageNames(version, env)) {
    if (await docker(["image", "inspect", "--format", "{{.Id}}", name], env)) return name;
  }
  return undefined;
}
