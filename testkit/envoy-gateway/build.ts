// Builds Envoy Gateway and egctl, of one pinned version, into the cache folder: about 15 minutes on two cores the
// first time, nothing after. The Go module proxy serves the source; Go checks it against its checksum database, and
// this script against the sum below.
//
// Usage: tsx testkit/envoy-gateway/build.ts   (prints the folder of the two binaries)

import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { cacheFolder, type Environment, type Progress, progressToStderr } from "../../envoy/wheel.ts";

export const GATEWAY_MODULE = "github.com/envoyproxy/gateway";
export const GATEWAY_VERSION = "1.9.1";
/** The Envoy that this Envoy Gateway runs unless EnvoyProxy names another. */
export const GATEWAY_ENVOY_VERSION = "1.39.1";
const GATEWAY_SUM = "h1:vAVp6/AlBXJ1aOhp1mxL7fNEzVEfjADUguUhm2wzxQY=";
const COMMANDS = ["egctl", "envoy-gateway"] as const;

export interface GatewayBinaries {
  folder: string;
  gateway: string;
  egctl: string;
}

class GatewayBuildError extends Error {
  readonly code = "GATEWAY_BUILD";
}

function binaries(env: Environment): GatewayBinaries {
  const folder = join(cacheFolder(env), "envoy-gateway", `${GATEWAY_VERSION}-${process.arch}`);
  return { folder, gateway: join(folder, "envoy-gateway"), egctl: join(folder, "egctl") };
}

/** The binaries when the cache has them; tests skip without. */
export async function cachedGateway(env: Environment = process.env): Promise<GatewayBinaries | undefined> {
  const found = binaries(env);
  const present = await Promise.all([found.gateway, found.egctl].map(exists));
  return present.every(Boolean) ? found : undefined;
}

export async function buildGateway(options: { env?: Environment; progress?: Progress } = {}): Promise<GatewayBinaries> {
  const env = options.env ?? process.env;
  const progress = options.progress ?? progressToStderr;
  const cached = await cachedGateway(env);
  if (cached) return cached;
  const target = binaries(env);
  const work = `${target.folder}.build-${process.pid}-${randomBytes(4).toString("hex")}`;
  await mkdir(work, { recursive: true });
  try {
    await checkSum(env, progress);
    for (const name of COMMANDS) await install(name, work, env, progress);
    await mkdir(target.folder, { recursive: true });
    for (const name of COMMANDS) await rename(join(work, name), join(target.folder, name));
    progress(`Envoy Gateway ${GATEWAY_VERSION}: ready in ${target.folder}`);
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function goEnvironment(env: Environment): NodeJS.ProcessEnv {
  // GOFLAGS of the user may carry what `go install` of another module refuses (-mod, -modfile).
  return {
    ...env,
    GOFLAGS: "-trimpath",
    CGO_ENABLED: "0",
    GOTOOLCHAIN: env.GOTOOLCHAIN ?? "auto",
  } as NodeJS.ProcessEnv;
}

async function checkSum(env: Environment, progress: Progress): Promise<void> {
  progress(`Envoy Gateway ${GATEWAY_VERSION}: fetching the source with go`);
  const output = await new Promise<string>((done, fail) => {
    const args = ["mod", "download", "-json", `${GATEWAY_MODULE}@v${GATEWAY_VERSION}`];
    execFile("go", args, { env: goEnvironment(env), timeout: 300_000 }, (error, stdout, stderr) => {
      if (!error) return done(stdout);
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
      const why = missing ? "go was not found; Go 1.26.7 or newer is needed" : stderr.trim() || stdout.trim();
      fail(new GatewayBuildError(`Envoy Gateway ${GATEWAY_VERSION}: ${why}`));
    });
  });
  const sum = (JSON.parse(output) as { Sum?: string }).Sum;
  if (sum !== GATEWAY_SUM) {
    throw new GatewayBuildError(`${GATEWAY_MODULE} v${GATEWAY_VERSION}: sum is ${sum}, expected ${GATEWAY_SUM}`);
  }
}

function install(name: string, work: string, env: Environment, progress: Progress): Promise<void> {
  const began = Date.now();
  const seconds = () => Math.round((Date.now() - began) / 1000);
  progress(`Envoy Gateway ${GATEWAY_VERSION}: building ${name}, minutes the first time`);
  return new Promise((done, fail) => {
    // -v names each package when it is compiled: their count is the progress.
    const args = ["install", "-v", "-p", "2", "-ldflags=-s -w", `${GATEWAY_MODULE}/cmd/${name}@v${GATEWAY_VERSION}`];
    const child = spawn("go", args, {
      env: { ...goEnvironment(env), GOBIN: work },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let packages = 0;
    let last = "";
    const lines: string[] = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      packages++;
      last = line;
      lines.push(line);
      if (lines.length > 20) lines.shift();
    });
    const timer = setInterval(() => progress(`  ${name}: ${packages} packages, ${seconds()} s, ${last}`), 10_000);
    child.on("error", (error) => {
      clearInterval(timer);
      fail(new GatewayBuildError(`cannot run go (${error.message}); Go 1.26.7 or newer is needed`));
    });
    child.on("close", (status) => {
      clearInterval(timer);
      if (status !== 0)
        return fail(new GatewayBuildError(`go ${args.join(" ")}: ended with ${status}\n${lines.join("\n")}`));
      progress(`  ${name}: built in ${seconds()} s`);
      done();
    });
  });
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log((await buildGateway()).folder);
  } catch (error) {
    if (!(error instanceof GatewayBuildError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
