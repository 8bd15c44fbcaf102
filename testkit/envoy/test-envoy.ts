// Starts real Envoys for tests: by testcontainers if a Docker engine answers and has an image, otherwise as a local binary.
// The tests are the same for both.
//
// Ports: every listener binds port 0, so that the system gives it a free port, and this file reads the port from the admin
// interface. No port is chosen, released and bound again, so concurrent test files cannot collide. A restart keeps the ports.

import { rmSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Found } from "../../envoy/binary.ts";
import { type EnvoyConfigOptions, envoyConfig } from "../../envoy/config.ts";
import { EnvoyError } from "../../envoy/errors.ts";
import type { WasmOptions } from "../../envoy/filters.ts";
import { endWithProcess, type RunningEnvoy, type RunOptions, runEnvoy } from "../../envoy/process.ts";
import { runContainer } from "./container.ts";
import { chooseRuntime } from "./runtime.ts";

/** The options of envoyConfig. Ports default to 0, which is a free port; `true` adds an optional listener on a free port. */
export interface TestEnvoyConfig
  extends Omit<EnvoyConfigOptions, "port" | "adminPort" | "snapshotPort" | "plainPort" | "accessLog"> {
  port?: number;
  adminPort?: number;
  snapshotPort?: number | boolean;
  plainPort?: number | boolean;
  wasm?: WasmOptions;
  /** Format of the access log that `accessLog()` reads. */
  accessLogFormat?: string | Readonly<Record<string, string>>;
}

interface StartOptions {
  version?: string;
  concurrency?: number;
  logLevel?: string;
  /** Envoy's own environment. */
  environment?: Readonly<Record<string, string>>;
  extraArguments?: readonly string[];
  /** Files besides the module that the configuration names. A container needs them as mounts. */
  reads?: readonly string[];
  readyTimeoutMs?: number;
  found?: Found;
}

interface Ports {
  port: number;
  admin: number;
  snapshot: number | undefined;
  plain: number | undefined;
}

const READY_TIMEOUT_MS = 90_000;
const SHOWN_LOG_LINES = 25;

export async function startEnvoy(config: TestEnvoyConfig, options: StartOptions = {}): Promise<TestEnvoy> {
  const found =
    options.found ?? (await chooseRuntime(options.version === undefined ? {} : { version: options.version }));
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-envoy-"));
  const envoy = new TestEnvoy(found, folder, config, options);
  try {
    await envoy.start();
  } catch (error) {
    await envoy.close();
    throw error;
  }
  return envoy;
}

export class TestEnvoy {
  readonly found: Found;
  readonly folder: string;
  #config: TestEnvoyConfig;
  readonly #options: StartOptions;
  #running: RunningEnvoy | undefined;
  #ports: Ports | undefined;
  readonly #earlierLogs: string[] = [];
  readonly #forgetFolder: () => void;

  constructor(found: Found, folder: string, config: TestEnvoyConfig, options: StartOptions) {
    this.found = found;
    this.folder = folder;
    this.#config = config;
    this.#options = options;
    this.#forgetFolder = endWithProcess(() => rmSync(folder, { recursive: true, force: true }));
  }

  get ports(): Ports {
    if (!this.#ports) throw new EnvoyError("ENVOY_START", "this Envoy has not been started");
    return this.#ports;
  }
  get port(): number {
    return this.ports.port;
  }
  get url(): string {
    return `http://127.0.0.1:${this.ports.port}`;
  }
  get adminUrl(): string {
    return `http://127.0.0.1:${this.ports.admin}`;
  }
  get snapshotUrl(): string | undefined {
    return this.ports.snapshot === undefined ? undefined : `http://127.0.0.1:${this.ports.snapshot}`;
  }
  get plainUrl(): string | undefined {
    return this.ports.plain === undefined ? undefined : `http://127.0.0.1:${this.ports.plain}`;
  }
  get runtime(): "docker" | "binary" {
    return this.found.kind;
  }
  get version(): string {
    return this.found.version;
  }
  /** Process id on this machine, also for an Envoy in a container. */
  get pid(): number | undefined {
    return this.#running?.pid;
  }

  logs(): string[] {
    return [...this.#earlierLogs, ...(this.#running?.logs() ?? [])];
  }

  /** The complete lines of the access log. Envoy writes a line within 50 ms. */
  async accessLog(): Promise<string[]> {
    const text = await readFile(this.#accessLogFile(), "utf8").catch(() => "");
    // The text after the last line end is an incomplete line or empty.
    return text.split("\n").slice(0, -1);
  }

  /** Counters and gauges by name; `filter` is a regular expression for Envoy. */
  async stats(filter?: string): Promise<Map<string, number>> {
    const query = filter ? `?filter=${encodeURIComponent(filter)}` : "";
    const text = await this.#admin(`/stats${query}`);
    const result = new Map<string, number>();
    for (const line of text.split("\n")) {
      // Histograms and text readouts have no plain number after the colon.
      const match = /^(.+): (\d+)$/.exec(line);
      if (match) result.set(match[1] as string, Number(match[2]));
    }
    return result;
  }

  async start(): Promise<void> {
    if (this.#running?.ended() === undefined && this.#running) throw new EnvoyError("ENVOY_START", "already running");
    const run = await this.#prepare();
    this.#keepLogs();
    this.#running =
      this.found.kind === "docker" ? await runContainer(this.found.image, run) : runEnvoy(this.found, run);
    await this.#ready(run.adminAddressFile as string);
  }

  /** Stops the Envoy gracefully and starts it again on the same ports, with `changes` to its configuration. */
  async restart(changes: Partial<TestEnvoyConfig> = {}): Promise<void> {
    await this.#running?.stop();
    this.#config = { ...this.#config, ...changes };
    await this.start();
  }

  /** Kills the Envoy like a crash. `start()` starts it again on the same ports. */
  async kill(): Promise<void> {
    await this.#running?.kill();
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
  }

  async close(): Promise<void> {
    await this.#running?.stop();
    this.#keepLogs();
    this.#running = undefined;
    await rm(this.folder, { recursive: true, force: true });
    this.#forgetFolder();
  }

  /** Sets all counters to zero. */
  async resetStats(): Promise<void> {
    await this.#admin("/reset_counters", "POST");
  }

  async #admin(path: string, method = "GET"): Promise<string> {
    const response = await fetch(`${this.adminUrl}${path}`, { method });
    if (!response.ok) throw new Error(`admin ${path}: ${response.status} ${await response.text()}`);
    return response.text();
  }

  #accessLogFile(): string {
    return join(this.folder, "access.log");
  }

  async #prepare(): Promise<RunOptions> {
    const { accessLogFormat, snapshotPort, plainPort, wasm, ...rest } = this.#config;
    const known = this.#ports;
    const config: EnvoyConfigOptions = {
      ...rest,
      port: known?.port ?? rest.port ?? 0,
      adminPort: known?.admin ?? rest.adminPort ?? 0,
    };
    const optional = (wanted: number | boolean | undefined, before: number | undefined) =>
      wanted === undefined || wanted === false ? undefined : (before ?? (wanted === true ? 0 : wanted));
    const snapshot = optional(snapshotPort, known?.snapshot);
    const plain = optional(plainPort, known?.plain);
    if (snapshot !== undefined) config.snapshotPort = snapshot;
    if (plain !== undefined) config.plainPort = plain;
    if (wasm) config.wasm = { ...wasm, file: resolve(wasm.file) };
    if (accessLogFormat !== undefined) config.accessLog = { path: this.#accessLogFile(), format: accessLogFormat };

    const configFile = join(this.folder, "envoy.json");
    const adminAddressFile = join(this.folder, "admin");
    await writeFile(configFile, JSON.stringify(envoyConfig(config), null, 2));
    await rm(adminAddressFile, { force: true });
    const run: RunOptions = { configFile, adminAddressFile, writes: [this.folder] };
    const { concurrency, logLevel, extraArguments, environment } = this.#options;
    run.reads = [...(config.wasm ? [config.wasm.file] : []), ...(this.#options.reads ?? [])];
    if (concurrency !== undefined) run.concurrency = concurrency;
    if (logLevel !== undefined) run.logLevel = logLevel;
    if (extraArguments !== undefined) run.extraArguments = extraArguments;
    if (environment !== undefined) run.environment = environment;
    return run;
  }

  async #ready(adminAddressFile: string): Promise<void> {
    const until = Date.now() + (this.#options.readyTimeoutMs ?? READY_TIMEOUT_MS);
    for (;;) {
      const ended = this.#running?.ended();
      if (ended !== undefined) throw this.#failure(`ended while starting (${ended})`);
      const address = await readFile(adminAddressFile, "utf8").catch(() => "");
      const admin = Number(/:(\d+)$/.exec(address.trim())?.[1] ?? 0);
      if (admin > 0 && (await isLive(admin))) {
        this.#ports = await readPorts(admin);
        return;
      }
      if (Date.now() > until) throw this.#failure("was not ready in time");
      await sleep(20);
    }
  }

  #keepLogs(): void {
    this.#earlierLogs.push(...(this.#running?.logs() ?? []));
  }

  #failure(what: string): EnvoyError {
    const tail = this.logs().slice(-SHOWN_LOG_LINES).join("\n");
    return new EnvoyError("ENVOY_START", `Envoy ${this.version} (${this.runtime}) ${what}; its last lines:\n${tail}`);
  }
}

async function isLive(admin: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${admin}/ready`).catch(() => undefined);
  return (await response?.text())?.trim() === "LIVE";
}

interface ListenerStatus {
  name: string;
  local_address: { socket_address: { port_value: number } };
}

async function readPorts(admin: number): Promise<Ports> {
  const response = await fetch(`http://127.0.0.1:${admin}/listeners?format=json`);
  const body = (await response.json()) as { listener_statuses: ListenerStatus[] };
  const ports = new Map(body.listener_statuses.map((one) => [one.name, one.local_address.socket_address.port_value]));
  const port = ports.get("llm");
  if (port === undefined) throw new EnvoyError("ENVOY_START", "Envoy has no listener named llm");
  return { port, admin, snapshot: ports.get("snapshots"), plain: ports.get("plain") };
}
