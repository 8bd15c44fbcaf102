// Builds Envoy Gateway and egctl of one pinned version. The first build takes about 15 minutes on two cores.
//
// Usage: tsx testkit/envoy-gateway/build-envoy-gateway.ts   (prints the folder of the two binaries)

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, type Environment } from "../../envoy/wheel.ts";
import { areBuilt, type BuildOptions, buildGoProgram, printBuilt } from "../go/program.ts";

export const GATEWAY_MODULE = "github.com/envoyproxy/gateway";
export const GATEWAY_VERSION = "1.9.1";
/** The Envoy that this Envoy Gateway runs unless an EnvoyProxy object names another one. */
export const GATEWAY_ENVOY_VERSION = "1.39.1";
const MODULE = {
  path: GATEWAY_MODULE,
  version: `v${GATEWAY_VERSION}`,
  sum: "h1:vAVp6/AlBXJ1aOhp1mxL7fNEzVEfjADUguUhm2wzxQY=",
};

export interface GatewayBinaries {
  folder: string;
  gateway: string;
  egctl: string;
}

function binaries(env: Environment): GatewayBinaries {
  const folder = join(cacheFolder(env), "envoy-gateway", `${GATEWAY_VERSION}-${process.arch}`);
  return { folder, gateway: join(folder, "envoy-gateway"), egctl: join(folder, "egctl") };
}

/** The binaries, if the cache has them. Tests skip without the binaries. */
export async function cachedGateway(env: Environment = process.env): Promise<GatewayBinaries | undefined> {
  const found = binaries(env);
  return (await areBuilt([found.gateway, found.egctl])) ? found : undefined;
}

export async function buildGateway(options: BuildOptions = {}): Promise<GatewayBinaries> {
  const found = binaries(options.env ?? process.env);
  for (const name of ["egctl", "envoy-gateway"]) {
    const program = {
      title: `Envoy Gateway ${GATEWAY_VERSION}`,
      path: join(found.folder, name),
      oldestGo: "1.26.7",
      module: MODULE,
      environment: { GOFLAGS: "-trimpath", CGO_ENABLED: "0", GOTOOLCHAIN: process.env.GOTOOLCHAIN ?? "auto" },
    };
    // `go install` of a module at a version builds with that module's own go.mod.
    const args = ["install", "-v", "-p", "2", "-ldflags=-s -w", `${MODULE.path}/cmd/${name}@${MODULE.version}`];
    const prepare = () => args;
    await buildGoProgram({ ...program, prepare }, options);
  }
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await printBuilt(async () => (await buildGateway()).folder);
