// Starts the peers that are HTTP routers: each accepts requests on a port and sends them to pods. Each runs as its own documentation
// says, with its default policy unless its title names another.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "../ports.ts";
import { LITELLM, type PythonPeer, programOf, SMG, VLLM_ROUTER } from "./python-peers.ts";
import { type RunningPeer, spawnPeer } from "./spawn-peer.ts";

export interface Router {
  peer: PythonPeer;
  /** What the title of a contender adds to name and version. */
  policy: string;
  command(run: RouterRun): RouterCommand;
}

interface RouterRun {
  port: number;
  /** A free port for the router's own metrics. */
  metricsPort: number;
  /** URLs. */
  pods: readonly string[];
  /** The base model, then its adapters. */
  models: readonly string[];
  /** Folder for files of the router. */
  folder: string;
}

interface RouterCommand {
  argv: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** A file that the router reads, in `folder`. */
  file?: { name: string; text: string };
}

const smg: Router = {
  peer: SMG,
  policy: "policy cache_aware, the default",
  command: ({ port, metricsPort, pods }) => ({
    argv: [
      ...[programOf(SMG, "smg"), "launch", "--host", "127.0.0.1", "--port", String(port), "--backend", "vllm"],
      ...["--prometheus-host", "127.0.0.1", "--prometheus-port", String(metricsPort), "--log-level", "warn"],
      ...["--worker-startup-check-interval", "1", "--policy", "cache_aware", "--worker-urls", ...pods],
    ],
  }),
};

const vllmRouter: Router = {
  peer: VLLM_ROUTER,
  policy: "policy cache_aware, the default",
  command: ({ port, metricsPort, pods }) => ({
    argv: [
      ...[programOf(VLLM_ROUTER, "vllm-router"), "--host", "127.0.0.1", "--port", String(port)],
      ...["--prometheus-host", "127.0.0.1", "--prometheus-port", String(metricsPort), "--log-level", "warning"],
      ...["--worker-startup-check-interval", "1", "--policy", "cache_aware", "--worker-urls", ...pods],
    ],
  }),
};

const litellm: Router = {
  peer: LITELLM,
  policy: "routing_strategy least-busy",
  command: ({ port, pods, models, folder }) => ({
    argv: [
      ...[programOf(LITELLM, "litellm"), "--config", join(folder, "litellm.json"), "--host", "127.0.0.1"],
      ...["--port", String(port), "--telemetry", "False"],
    ],
    env: {
      LITELLM_LOG: "ERROR",
      // Without these two the proxy fetches a price list and serves an admin page.
      LITELLM_LOCAL_MODEL_COST_MAP: "True",
      DISABLE_ADMIN_UI: "True",
      // The proxy refuses to start without a key; here only loopback reaches it.
      LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: "true",
    },
    file: { name: "litellm.json", text: JSON.stringify(litellmConfig(pods, models)) },
  }),
};

export const ROUTERS: readonly Router[] = [smg, vllmRouter, litellm];

/** YAML includes JSON, so the proxy reads this. */
function litellmConfig(pods: readonly string[], models: readonly string[]) {
  return {
    model_list: models.flatMap((model) => {
      const served = { model: `openai/${model}`, api_key: "none" };
      return pods.map((pod) => ({ model_name: model, litellm_params: { ...served, api_base: `${pod}/v1` } }));
    }),
    router_settings: { routing_strategy: "least-busy" },
    litellm_settings: { telemetry: false, num_retries: 0 },
  };
}

interface RouterStart {
  /** URLs. */
  pods: readonly string[];
  models: readonly string[];
  folder: string;
}

/** A router imports for up to half a minute on a busy machine. */
const WAIT_MS = 120_000;

/** Routers may listen on every interface, so the caller gives them a network of their own (isolate.ts). */
export async function startRouter(router: Router, { pods, models, folder }: RouterStart): Promise<RunningPeer> {
  const [port, metricsPort] = (await freePorts(2)) as [number, number];
  const { argv, env, file } = router.command({ port, metricsPort, pods, models, folder });
  if (file) await writeFile(join(folder, file.name), file.text);
  // HOME: what a router stores ends with the folder.
  const all = { ...process.env, ...env, HOME: folder };
  return spawnPeer({ title: router.peer.title, argv, env: all, folder, port, waitMs: WAIT_MS });
}
