// The sidecar in front of a Python server with vLLM's libraries and routes.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isInstalled, VLLM_METRICS } from "../../testkit/peers/python-peers.ts";
import { startMetricsServer } from "../../testkit/vllm/metrics-server.ts";
import { behaviours, type StartServer } from "./behaviours.ts";

const MODEL = "tiny";

const start: StartServer = async (t, port, multiprocess) => {
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-vllm-"));
  const server = await startMetricsServer({ folder, port, model: MODEL, everyMs: 20, multiprocess });
  t.after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return server;
};

const skip = (await isInstalled(VLLM_METRICS))
  ? undefined
  : `the libraries are not in the cache: make peers ARGS="${VLLM_METRICS.name}"`;
behaviours({ title: "vLLM's libraries", model: MODEL, start, skip });
