// Builds kube-apiserver and etcd, of pinned versions, into the cache folder: 5 to 15 minutes on two cores the first
// time, nothing after. The Go module proxy serves the source; Go checks it against its checksum database, and this
// script against the sums below.
//
// Usage: tsx testkit/kubernetes/build.ts   (prints the folder of the two binaries)

import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { cacheFolder, type Environment, type Progress, progressToStderr } from "../../envoy/wheel.ts";

export const KUBERNETES_VERSION = "1.34.1";
export const ETCD_VERSION = "3.6.4";

interface Recipe {
  binary: string;
  module: string;
  version: string;
  sum: string;
  package: string;
  go: string;
  /** What the module replaces by folders of its own repository, which a published module lacks. */
  replace: (ownGoMod: string) => string[];
}

const RECIPES: readonly Recipe[] = [
  {
    binary: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    version: `v${ETCD_VERSION}`,
    sum: "h1:LsCA7CzjVt+8WGrdsnh6RhC0XqCsLkBly3ve5rTxMAU=",
    package: "go.etcd.io/etcd/server/v3",
    go: "1.23",
    replace: () => [],
  },
  {
    binary: "kube-apiserver",
    module: "k8s.io/kubernetes",
    version: `v${KUBERNETES_VERSION}`,
    sum: "h1:F3p8dtpv+i8zQoebZeK5zBqM1g9x1aIdnA5vthvcuUk=",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    go: "1.24.0",
    // v1.34.1 of the whole is v0.34.1 of each part that it publishes.
    replace: (ownGoMod) =>
      [...ownGoMod.matchAll(/^\s*(k8s\.io\/\S+) => \.\/staging\//gm)].map(
        ([, part]) => `${part} => ${part} v0${KUBERNETES_VERSION.slice(1)}`,
      ),
  },
];

export interface KubernetesBinaries {
  folder: string;
  apiserver: string;
  etcd: string;
}

export class KubernetesBuildError extends Error {
  readonly code = "KUBERNETES_BUILD";
}

function binaries(env: Environment): KubernetesBinaries {
  const folder = join(cacheFolder(env), "kubernetes", `${KUBERNETES_VERSION}-etcd-${ETCD_VERSION}-${process.arch}`);
  return { folder, apiserver: join(folder, "kube-apiserver"), etcd: join(folder, "etcd") };
}

/** The binaries when the cache has them; tests skip without. */
export async function cachedKubernetes(env: Environment = process.env): Promise<KubernetesBinaries | undefined> {
  const found = binaries(env);
  const present = await Promise.all([found.apiserver, found.etcd].map(exists));
  return present.every(Boolean) ? found : undefined;
}

export async function buildKubernetes(
  options: { env?: Environment; progress?: Progress } = {},
): Promise<KubernetesBinaries> {
  const env = options.env ?? process.env;
  const progress = options.progress ?? progressToStderr;
  const target = binaries(env);
  await mkdir(target.folder, { recursive: true });
  for (const recipe of RECIPES) {
    // A binary in the folder was built whole: it gets there by a rename.
    if (!(await exists(join(target.folder, recipe.binary)))) await make(recipe, target.folder, env, progress);
  }
  return target;
}

async function make(recipe: Recipe, folder: string, env: Environment, progress: Progress): Promise<void> {
  const work = join(folder, `.build-${process.pid}-${randomBytes(4).toString("hex")}`);
  await mkdir(work);
  try {
    progress(`${recipe.binary} ${recipe.version}: fetching the source with go`);
    const source = await download(recipe, env);
    const lines = [
      "module pilotfish.test/build",
      `go ${recipe.go}`,
      `require ${recipe.module} ${recipe.version}`,
      ...recipe.replace(source.goMod).map((line) => `replace ${line}`),
    ];
    await writeFile(join(work, "go.mod"), `${lines.join("\n")}\n`);
    await compile(recipe, work, env, progress);
    await rename(join(work, recipe.binary), join(folder, recipe.binary));
    progress(`${recipe.binary} ${recipe.version}: ready in ${folder}`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function goEnvironment(env: Environment): NodeJS.ProcessEnv {
  // GOFLAGS of the user may carry what this build sets itself (-mod, -modfile).
  return { ...env, GOFLAGS: "-mod=mod -trimpath", CGO_ENABLED: "0", GOWORK: "off" } as NodeJS.ProcessEnv;
}

async function download(recipe: Recipe, env: Environment): Promise<{ goMod: string }> {
  const name = `${recipe.module}@${recipe.version}`;
  const output = await new Promise<string>((done, fail) => {
    const options = { env: goEnvironment(env), timeout: 600_000 };
    execFile("go", ["mod", "download", "-json", name], options, (error, stdout, stderr) => {
      if (!error) return done(stdout);
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
      const why = missing ? "go was not found; Go 1.24 or newer is needed" : stderr.trim() || stdout.trim();
      fail(new KubernetesBuildError(`${name}: ${why}`));
    });
  });
  const { Sum, GoMod } = JSON.parse(output) as { Sum?: string; GoMod: string };
  if (Sum !== recipe.sum) throw new KubernetesBuildError(`${name}: sum is ${Sum}, expected ${recipe.sum}`);
  return { goMod: await readFile(GoMod, "utf8") };
}

function compile(recipe: Recipe, work: string, env: Environment, progress: Progress): Promise<void> {
  const began = Date.now();
  const seconds = () => Math.round((Date.now() - began) / 1000);
  progress(`${recipe.binary} ${recipe.version}: building, minutes the first time`);
  return new Promise((done, fail) => {
    // -v names each package when it is compiled: their count is the progress. Behind everything else that runs.
    const build = ["go", "build", "-v", "-p", "2", "-ldflags=-s -w", "-o", recipe.binary, recipe.package];
    const child = spawn("nice", ["-n", "10", ...build], {
      cwd: work,
      env: goEnvironment(env),
      stdio: ["ignore", "ignore", "pipe"],
    });
    let packages = 0;
    const lines: string[] = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      packages++;
      lines.push(line);
      if (lines.length > 20) lines.shift();
    });
    const timer = setInterval(() => {
      progress(`  ${recipe.binary}: ${packages} lines of go, ${seconds()} s, ${lines.at(-1) ?? ""}`);
    }, 10_000);
    child.on("error", (error) => {
      clearInterval(timer);
      fail(new KubernetesBuildError(`cannot run nice and go (${error.message}); Go 1.24 or newer is needed`));
    });
    child.on("close", (status) => {
      clearInterval(timer);
      if (status === 0) {
        progress(`  ${recipe.binary}: built in ${seconds()} s`);
        return done();
      }
      fail(new KubernetesBuildError(`${build.join(" ")}: ended with ${status}\n${lines.join("\n")}`));
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
    console.log((await buildKubernetes()).folder);
  } catch (error) {
    if (!(error instanceof KubernetesBuildError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
