// Starts the Envoy of a local run.
import { createWriteStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { RESERVED_PREFIX } from "../../protocol/constants.ts";
import type { Found } from "../binary.ts";
import { envoyConfig, type Pool } from "../config.ts";
import type { JsonObject } from "../json.ts";
import { type RunningEnvoy, runEnvoy } from "../process.ts";
import { ACCESS_FORMAT } from "./access.ts";
import type { RunFolder } from "./folder.ts";
import { RunError } from "./run-error.ts";

export interface LocalEnvoy {
  url: string;
  admin: string;
  running: RunningEnvoy;
  log: string;
  accessLog: string;
}

interface EnvoyOrder {
  found: Found;
  wasm: string;
  secret: string;
  pools: readonly Pool[];
  port: number;
  workers: number;
  folder: RunFolder;
  /** Called as soon as the process exists, so that it can be stopped. */
  started(running: RunningEnvoy): void;
}

const READY_MS = 30_000;
const SHOWN_LINES = 10;
const PORT_HINT =
  "Another make run? Take another port: make run ARGS=--port=10001, or npm start -- --port 0 for a free one.";

/** Checks the port before anything starts, because Envoy would report it late and less clearly. */
export async function checkPort(port: number): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  try {
    await new Promise<void>((done, fail) => {
      server.once("error", fail);
      server.listen(port, "127.0.0.1", done);
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") throw new RunError(`port ${port} of 127.0.0.1 is taken (--port)`, PORT_HINT);
    throw new RunError(`port ${port} of 127.0.0.1 cannot be used (--port): ${message}`, PORT_HINT);
  } finally {
    server.close();
  }
}

export async function startLocalEnvoy(order: EnvoyOrder): Promise<LocalEnvoy> {
  const { found, wasm, secret, pools, port, workers, folder } = order;
  const configFile = folder.file("envoy.json");
  const adminAddressFile = folder.file("admin");
  const accessLog = folder.file("access.log");
  const log = folder.file("envoy.log");
  const config = envoyConfig({
    pools,
    port,
    adminPort: 0,
    wasm: { file: wasm, configuration: { log: { picks: true } }, secret },
    accessLog: { path: accessLog, format: ACCESS_FORMAT },
    edit: logRequestsOnly,
  });
  await writeFile(configFile, JSON.stringify(config, null, 2), { mode: 0o600 });
  const lines = createWriteStream(log);
  const running = runEnvoy(found, {
    configFile,
    adminAddressFile,
    concurrency: workers,
    reads: [wasm],
    writes: [folder.path],
    onLog: (line) => lines.write(`${line}\n`),
  });
  order.started(running);
  void running.exited.then(() => lines.end());

  const until = Date.now() + READY_MS;
  for (;;) {
    const ended = running.ended();
    if (ended !== undefined) throw failure(`ended while starting (${ended})`, running, port);
    const admin = (await readFile(adminAddressFile, "utf8").catch(() => "")).trim();
    if (admin !== "" && (await isLive(admin))) {
      const own = await listenerPort(admin);
      return { url: `http://127.0.0.1:${own}`, admin: `http://${admin}`, running, log, accessLog };
    }
    if (Date.now() > until) throw failure(`was not ready within ${READY_MS / 1000} s`, running, port);
    await sleep(20);
  }
}

/** The last warnings and errors of an Envoy; without any, its last lines. */
export function lastComplaints(running: RunningEnvoy): string[] {
  const lines = running.logs();
  const complaints = lines.filter((line) => /\]\[(warning|error|critical)\]|^[^[\s]/.test(line));
  return (complaints.length > 0 ? complaints : lines).slice(-SHOWN_LINES);
}

function failure(what: string, running: RunningEnvoy, port: number): RunError {
  const bind = running.logs().some((line) => line.includes("Address already in use"));
  const hint = bind
    ? `Another program took port ${port} (--port). ${PORT_HINT}`
    : "Envoy needs the Wasm runtime V8, which stock Envoys have; --envoy-version selects another Envoy.";
  return new RunError(`Envoy ${what}`, hint, lastComplaints(running));
}

/** Keeps the sidecar's requests out of the log, because it pushes up to twenty times a second. */
function logRequestsOnly(bootstrap: JsonObject): void {
  const header = { name: ":path", string_match: { prefix: RESERVED_PREFIX }, invert_match: true };
  const { listeners } = bootstrap.static_resources as unknown as { listeners: Listener[] };
  for (const { filter_chains } of listeners) {
    const manager = filter_chains[0]?.filters[0]?.typed_config;
    for (const entry of manager?.access_log ?? []) entry.filter = { header_filter: { header } };
  }
}

interface Listener {
  filter_chains: { filters: { typed_config: { access_log: JsonObject[] } }[] }[];
}

async function isLive(admin: string): Promise<boolean> {
  const response = await fetch(`http://${admin}/ready`).catch(() => undefined);
  return (await response?.text())?.trim() === "LIVE";
}

async function listenerPort(admin: string): Promise<number> {
  const response = await fetch(`http://${admin}/listeners?format=json`);
  const { listener_statuses } = (await response.json()) as {
    listener_statuses: { name: string; local_address: { socket_address: { port_value: number } } }[];
  };
  const port = listener_statuses.find(({ name }) => name === "llm")?.local_address.socket_address.port_value;
  if (port === undefined) throw new RunError("Envoy has no listener named llm");
  return port;
}
