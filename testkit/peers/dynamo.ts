// Dynamo's mocker engines, which stand in for servers without a GPU, and Dynamo's router in front of them. Dynamo's router reaches
// engines only through Dynamo's own request plane, so it cannot run over simulator/. Here every contender can run over its engines.

import { join } from "node:path";
import { freePorts } from "../ports.ts";
import { until } from "../until.ts";
import { DYNAMO, programOf } from "./python-peers.ts";
import { type RunningPeer, spawnPeer } from "./spawn-peer.ts";
import { writeTinyModel } from "./tiny-model.ts";

interface EnginesStart {
  model: string;
  engines: number;
  /** KV blocks of each engine, of 16 tokens. */
  blocks: number;
  /** True: all engines behind one KV router. False: each behind a frontend of its own, as if it were a server. */
  routed: boolean;
  folder: string;
}

interface Engines {
  /** `ip:port` of the frontends. They have one port, like the pods of an InferencePool. */
  addresses: string[];
  frontends: RunningPeer[];
  /** The processes with the engines. */
  engines: RunningPeer[];
  stop(): Promise<void>;
}

const BLOCK_TOKENS = 16;
/**
 * With a factor of 1.25 four engines carry about what four pods of simulator/ carry. Engines stream each token by itself, which costs
 * CPU. So engines have half of this speed, and the loads DYNAMO_PACE of their rates.
 */
const SPEEDUP = "0.625";
export const DYNAMO_PACE = 0.5;
const PLANES = ["--discovery-backend", "file", "--request-plane", "tcp", "--event-plane", "zmq"];
const WAIT_MS = 120_000;

/** Resolves when every frontend has its model. Frontends listen on loopback; engines may listen on every interface (isolate.ts). */
export async function startEngines(start: EnginesStart): Promise<Engines> {
  const { engines: count, routed, folder } = start;
  const model = join(folder, "model");
  await writeTinyModel(model);
  const [port] = (await freePorts(1)) as [number];
  const running: Engines = { addresses: [], frontends: [], engines: [], stop: async () => {} };
  running.stop = async () => {
    await Promise.all([...running.frontends, ...running.engines].map((one) => one.stop()));
  };
  try {
    const groups = routed ? 1 : count;
    for (let i = 0; i < groups; i++) {
      const host = routed ? "127.0.0.1" : `127.0.1.${i + 1}`;
      const env = environment(folder, i);
      const mocker = [...engineArguments(start, model), "--num-workers", String(count / groups), ...PLANES];
      const namespace = ["--endpoint", `dyn://${env.DYN_NAMESPACE}.backend.generate`];
      const router = routed ? ["kv", "--kv-cache-block-size", String(BLOCK_TOKENS)] : ["round-robin"];
      const listen = ["--http-host", host, "--http-port", String(port), "--router-mode", ...router];
      running.engines.push(await dynamo("dynamo.mocker", [...mocker, ...namespace], { env, folder }));
      running.frontends.push(await dynamo("dynamo.frontend", [...listen, ...PLANES], { env, folder, host, port }));
      running.addresses.push(`${host}:${port}`);
    }
    await Promise.all(
      running.addresses.map((address) => until(`a model on ${address}`, () => serves(address), WAIT_MS)),
    );
    return running;
  } catch (error) {
    await running.stop();
    throw error;
  }
}

interface Process {
  env: NodeJS.ProcessEnv;
  folder: string;
  /** Where it listens; undefined for a process without a port of its own. */
  host?: string;
  port?: number;
}

function dynamo(module: string, args: readonly string[], { env, folder, host, port }: Process): Promise<RunningPeer> {
  const argv = [programOf(DYNAMO, "python"), "-m", module, ...args];
  return spawnPeer({ title: module, argv, env, folder, host, port, waitMs: WAIT_MS });
}

/** Each group of engines has a namespace and a discovery folder of its own. */
function environment(folder: string, group: number): NodeJS.ProcessEnv {
  return {
    ...process.env,
    HOME: folder,
    HF_HUB_OFFLINE: "1",
    TRANSFORMERS_OFFLINE: "1",
    DO_NOT_TRACK: "1",
    DYN_LOG: "warn",
    DYN_FILE_KV: join(folder, `kv-${group}`),
    DYN_NAMESPACE: `group${group}`,
  };
}

function engineArguments({ model, blocks }: EnginesStart, path: string): string[] {
  return [
    ...["--model-path", path, "--model-name", model],
    ...["--block-size", String(BLOCK_TOKENS), "--num-gpu-blocks-override", String(blocks), "--speedup-ratio", SPEEDUP],
  ];
}

async function serves(address: string): Promise<boolean> {
  try {
    const response = await fetch(`http://${address}/v1/models`, { signal: AbortSignal.timeout(3000) });
    const { data } = (await response.json()) as { data: unknown[] };
    return data.length > 0;
  } catch {
    return false;
  }
}
