// What the Docker engine has, asked through the docker command: it knows contexts, sockets and rootless set-ups.

import { execFile } from "node:child_process";
import type { Environment } from "./wheel.ts";

/** Runs the docker command; undefined when there is none, no engine answers, or it says no. */
export function docker(args: string[], env: Environment = process.env, timeout = 10_000): Promise<string | undefined> {
  return new Promise((done) => {
    execFile("docker", args, { env: env as NodeJS.ProcessEnv, timeout }, (error, stdout) => {
      done(error ? undefined : stdout.trim());
    });
  });
}

/** The engine's version, or undefined when none answers. */
export async function dockerEngine(env: Environment = process.env): Promise<string | undefined> {
  return (await docker(["version", "--format", "{{.Server.Version}}"], env)) || undefined;
}

/** Images that hold this version, best first. The first is what `envoy/image.ts` builds from a binary. */
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
