// Dynamo's mocker engines, which stand in for servers without a GPU, and Dynamo's router in front of them. Dynamo's router reaches
// engines only through Dynamo's own request plane, so it cannot run over simulator/. Here every contender can run over its engines.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "../ports.ts";
import { until } from "../until.ts";
import { DYNAMO, programOf } from "./python-peers.ts";
import { type RunningPeer, spawnPeer } from "./spawn-peer.ts";

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

/** The tokenizer's bytes per token, on text of lower-case letters, digits and spaces. */
export const DYNAMO_TOKEN_BYTES = 3;
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
  await writeModel(model);
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

const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 ";
const SPECIAL = ["<unk>", "<s>", "</s>"];

/** Writes the files of a model without weights, whose tokens are pieces of DYNAMO_TOKEN_BYTES characters. */
async function writeModel(folder: string): Promise<void> {
  const pieces = [...LETTERS].flatMap((a) => [...LETTERS].flatMap((b) => [...LETTERS].map((c) => a + b + c)));
  const words = [...SPECIAL, ...pieces];
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const tokenizer = {
    version: "1.0",
    added_tokens: SPECIAL.map((content, id) => ({ id, content, ...flags })),
    pre_tokenizer: {
      type: "Split",
      pattern: { Regex: `[\\s\\S]{1,${DYNAMO_TOKEN_BYTES}}` },
      behavior: "Isolated",
      invert: false,
    },
    decoder: { type: "Fuse" },
    model: { type: "WordLevel", vocab: Object.fromEntries(words.map((word, i) => [word, i])), unk_token: "<unk>" },
  };
  const template = "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}\n{% endfor %}";
  const files = {
    "tokenizer.json": { truncation: null, padding: null, normalizer: null, post_processor: null, ...tokenizer },
    "tokenizer_config.json": {
      tokenizer_class: "PreTrainedTokenizerFast",
      ...{ bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" },
      chat_template: template,
    },
    "config.json": {
      model_type: "llama",
      architectures: ["LlamaForCausalLM"],
      vocab_size: words.length,
      max_position_embeddings: 131_072,
      ...{ bos_token_id: 1, eos_token_id: 2, torch_dtype: "bfloat16" },
      ...{
        hidden_size: 64,
        intermediate_size: 64,
        num_hidden_layers: 1,
        num_attention_heads: 1,
        num_key_value_heads: 1,
      },
    },
  };
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), JSON.stringify(content));
}
