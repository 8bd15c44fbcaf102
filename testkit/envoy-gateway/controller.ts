// Envoy Gateway as it runs in a cluster, without a cluster: a real API server, Envoy Gateway with its Kubernetes provider, and the
// Envoy of the Deployment that Envoy Gateway writes. No kubelet starts that Deployment's pods, so the test does. Each program has
// a root folder of its own with the files that its pod would mount. Two pods would have a network each; here the programs share
// one network, so the Envoy's three fixed ports are replaced.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { linkedLibraries } from "../../envoy/image.ts";
import { endWithProcess, LogLines } from "../../envoy/process.ts";
import { ADMIN_TOKEN, type ApiServer } from "../kubernetes/api-server.ts";
import { until } from "../until.ts";
import type { GatewayBinaries } from "./build-envoy-gateway.ts";

export const SYSTEM = "envoy-gateway-system";
const HOST = `envoy-gateway.${SYSTEM}.svc.cluster.local`;
/** New ports for Envoy's admin, metrics and readiness. Envoy Gateway's own process uses the first two. */
const PORTS: Readonly<Record<string, string>> = { "19000": "29000", "19001": "29001", "19003": "29003" };
export const ENVOY_ADMIN = "http://127.0.0.1:29000";

interface Container {
  name: string;
  image: string;
  args?: string[];
  env?: { name: string; value?: string; valueFrom?: object }[];
  volumeMounts?: { name: string; mountPath: string }[];
}
export interface Deployment {
  metadata: { name: string };
  spec: {
    template: {
      metadata: { labels: Record<string, string> };
      spec: { serviceAccountName: string; containers: Container[]; volumes: { name: string }[] };
    };
  };
}

export async function kubeconfig(server: ApiServer): Promise<string> {
  const ca = (await readFile(server.certificate)).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: "c", cluster: { server: `https://127.0.0.1:${server.port}`, "certificate-authority-data": ca } },
    ],
    users: [{ name: "u", user: { token: ADMIN_TOKEN } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  });
}

/** A program that runs in a root folder of its own. */
export class Rooted {
  readonly folder: string;
  readonly #log = new LogLines();
  #child: ChildProcess | undefined;
  #forget: (() => void) | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<Rooted> {
    const rooted = new Rooted(await mkdtemp(join(tmpdir(), "pilotfish-root-")));
    for (const name of ["tmp", "dev/shm", "etc", "certs", "sds", "var/lib/eg"])
      await mkdir(join(rooted.folder, name), { recursive: true });
    return rooted;
  }

  write(path: string, text: string | Buffer): Promise<void> {
    return writeFile(join(this.folder, path), text);
  }

  async program(binary: string, path: string): Promise<void> {
    await copyFile(binary, join(this.folder, path));
    const libraries = await linkedLibraries(binary).catch(() => []);
    for (const library of libraries) {
      await mkdir(dirname(join(this.folder, library)), { recursive: true });
      await copyFile(library, join(this.folder, library));
    }
  }

  start(command: readonly string[], env: Readonly<Record<string, string>>): void {
    const child = spawn("chroot", [this.folder, ...command], {
      env: { PATH: process.env.PATH ?? "", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.on("data", (chunk: Buffer) => this.#log.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => this.#log.push(chunk));
    this.#child = child;
    this.#forget = endWithProcess(() => child.kill("SIGKILL"));
  }

  lastLines(): string {
    return this.#log.lines.slice(-25).join("\n");
  }

  async close(): Promise<void> {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((done) => child.once("exit", done));
      child.kill("SIGKILL");
      await gone;
    }
    this.#forget?.();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Writes the files that a volume of the Secret would hold. */
async function mountCerts(server: ApiServer, secret: string, rooted: Rooted): Promise<void> {
  const { json } = await server.call("GET", `/api/v1/namespaces/${SYSTEM}/secrets/${secret}`);
  for (const name of ["tls.crt", "tls.key", "ca.crt"])
    await rooted.write(`certs/${name}`, Buffer.from(json.data[name], "base64"));
}

/** Starts Envoy Gateway with a stock configuration, which enables no extension API and allows no patch. */
export async function startController(server: ApiServer, binaries: GatewayBinaries): Promise<Rooted> {
  const rooted = await Rooted.create();
  try {
    await rooted.write("etc/kubeconfig", await kubeconfig(server));
    const env = { KUBECONFIG: join(rooted.folder, "etc/kubeconfig"), ENVOY_GATEWAY_NAMESPACE: SYSTEM };
    await promisify(execFile)(binaries.gateway, ["certgen", "--disable-topology-injector"], {
      env: { ...process.env, ...env },
    });
    await mountCerts(server, "envoy-gateway", rooted);
    await rooted.write(
      "etc/envoy-gateway.yaml",
      stringify({
        apiVersion: "gateway.envoyproxy.io/v1alpha1",
        kind: "EnvoyGateway",
        gateway: { controllerName: "gateway.envoyproxy.io/gatewayclass-controller" },
        provider: {
          type: "Kubernetes",
          kubernetes: { leaderElection: { disable: true }, proxyTopologyInjector: { disabled: true } },
        },
      }),
    );
    await rooted.program(binaries.gateway, "envoy-gateway");
    rooted.start(["/envoy-gateway", "server", "--config-path", "/etc/envoy-gateway.yaml"], {
      ...env,
      KUBECONFIG: "/etc/kubeconfig",
      HOME: "/tmp",
    });
    return rooted;
  } catch (error) {
    await rooted.close();
    throw error;
  }
}

/** The Deployment that Envoy Gateway writes for a Gateway. */
export function deploymentOf(server: ApiServer, controller: Rooted, gateway: string): Promise<Deployment> {
  const label = encodeURIComponent(`gateway.envoyproxy.io/owning-gateway-name=${gateway}`);
  return until(
    "the Envoys' Deployment",
    async () => {
      const { json } = await server.call(
        "GET",
        `/apis/apps/v1/namespaces/${SYSTEM}/deployments?labelSelector=${label}`,
      );
      return json.items?.[0] as Deployment | undefined;
    },
    60_000,
  ).catch((error: Error) => {
    throw new Error(`${error.message}\n${controller.lastLines()}`);
  });
}

/** Runs the container `envoy` of the Deployment. `env` has the values of its Secrets. */
export async function startEnvoyOf(
  server: ApiServer,
  deployment: Deployment,
  binary: string,
  env: Readonly<Record<string, string>>,
): Promise<Rooted> {
  const rooted = await Rooted.create();
  try {
    const container = deployment.spec.template.spec.containers.find(({ name }) => name === "envoy");
    if (!container) throw new Error("the Deployment has no container named envoy");
    await mountCerts(server, "envoy", rooted);
    const maps = await server.call("GET", `/api/v1/namespaces/${SYSTEM}/configmaps/${deployment.metadata.name}`);
    for (const [name, text] of Object.entries(maps.json.data as Record<string, string>))
      await rooted.write(`sds/${name}`, text);
    await rooted.write("etc/hosts", `127.0.0.1 localhost ${HOST} ${HOST}.\n`);
    await rooted.program(binary, "envoy");
    const args = (container.args ?? []).map((argument) =>
      argument
        .replace("$(ENVOY_POD_NAME)", "envoy-of-the-test")
        .replaceAll(/\b1900[013]\b/g, (port) => PORTS[port] as string)
        .replaceAll(`${HOST}.`, HOST),
    );
    rooted.start(["/envoy", ...args], env);
    return rooted;
  } catch (error) {
    await rooted.close();
    throw error;
  }
}
