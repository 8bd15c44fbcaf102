// Builds kube-apiserver and etcd of pinned versions. The first build takes 5 to 15 minutes on two cores.
//
// Usage: tsx testkit/kubernetes/build-api-server.ts   (prints the folder of the two binaries)

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, type Environment } from "../../envoy/wheel.ts";
import { areBuilt, type BuildOptions, buildGoProgram, type PinnedModule, printBuilt } from "../go/program.ts";

export const KUBERNETES_VERSION = "1.34.1";
export const ETCD_VERSION = "3.6.4";

interface Recipe {
  binary: string;
  module: PinnedModule;
  package: string;
  /** The line `go` of the go.mod that requires the module. */
  go: string;
  /** The `replace` lines for modules that come from folders of the same repository, which a published module lacks. */
  replace: (ownGoMod: string) => string[];
}

const RECIPES: readonly Recipe[] = [
  {
    binary: "etcd",
    module: {
      path: "go.etcd.io/etcd/server/v3",
      version: `v${ETCD_VERSION}`,
      sum: "h1:LsCA7CzjVt+8WGrdsnh6RhC0XqCsLkBly3ve5rTxMAU=",
    },
    package: "go.etcd.io/etcd/server/v3",
    go: "1.23",
    replace: () => [],
  },
  {
    binary: "kube-apiserver",
    module: {
      path: "k8s.io/kubernetes",
      version: `v${KUBERNETES_VERSION}`,
      sum: "h1:F3p8dtpv+i8zQoebZeK5zBqM1g9x1aIdnA5vthvcuUk=",
    },
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    go: "1.24.0",
    // Kubernetes v1.34.1 publishes each of its parts as v0.34.1.
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

function binaries(env: Environment): KubernetesBinaries {
  const folder = join(cacheFolder(env), "kubernetes", `${KUBERNETES_VERSION}-etcd-${ETCD_VERSION}-${process.arch}`);
  return { folder, apiserver: join(folder, "kube-apiserver"), etcd: join(folder, "etcd") };
}

/** The binaries, if the cache has them. Tests skip without the binaries. */
export async function cachedKubernetes(env: Environment = process.env): Promise<KubernetesBinaries | undefined> {
  const found = binaries(env);
  return (await areBuilt([found.apiserver, found.etcd])) ? found : undefined;
}

async function buildKubernetes(options: BuildOptions = {}): Promise<KubernetesBinaries> {
  const found = binaries(options.env ?? process.env);
  for (const { binary, module, package: main, go, replace } of RECIPES) {
    const program = {
      title: `${binary} ${module.version}`,
      path: join(found.folder, binary),
      oldestGo: "1.24",
      module,
      environment: { GOFLAGS: "-mod=mod -trimpath", CGO_ENABLED: "0", GOWORK: "off" },
      async prepare(work: string, goMod: string): Promise<string[]> {
        const head = ["module pilotfish.test/build", `go ${go}`, `require ${module.path} ${module.version}`];
        const lines = [...head, ...replace(goMod).map((line) => `replace ${line}`)];
        await writeFile(join(work, "go.mod"), `${lines.join("\n")}\n`);
        return ["build", "-v", "-p", "2", "-ldflags=-s -w", "-o", binary, main];
      },
    };
    await buildGoProgram(program, options);
  }
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await printBuilt(async () => (await buildKubernetes()).folder);
