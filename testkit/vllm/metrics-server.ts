// Starts the Python server with vLLM's way of serving metrics (metrics_server.py). It streams tokens that nobody computes.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { programOf, VLLM_METRICS } from "../peers/python-peers.ts";
import { type RunningPeer, spawnPeer } from "../peers/spawn-peer.ts";

const SERVER = fileURLToPath(new URL("./metrics_server.py", import.meta.url));
const CAPTURE = fileURLToPath(new URL("../../tests/fixtures/metrics/vllm-0.32-load.txt", import.meta.url));
const STARTED_MS = 120_000;

interface MetricsServerStart {
  /** Folder for the server's files. */
  folder: string;
  port: number;
  model: string;
  /** Ms between two chunks of a stream. */
  everyMs: number;
  /** Whether the server has its metrics in files, as with several API server processes. */
  multiprocess: boolean;
}

/** Resolves when the server listens on loopback. The libraries must be installed (python-peers.ts). */
export async function startMetricsServer(start: MetricsServerStart): Promise<RunningPeer> {
  const { folder, port, model, everyMs, multiprocess } = start;
  const python = programOf(VLLM_METRICS, "python");
  const argv = [python, SERVER, "--port", String(port), "--model", model];
  argv.push("--capture", CAPTURE, "--every", String(everyMs));
  const files = join(folder, "metrics");
  await mkdir(files, { recursive: true });
  const { PROMETHEUS_MULTIPROC_DIR: _, ...environment } = process.env;
  const env = { ...environment, ...(multiprocess && { PROMETHEUS_MULTIPROC_DIR: files }) };
  return spawnPeer({ title: "vLLM's metrics", argv, env, folder, port, waitMs: STARTED_MS });
}
