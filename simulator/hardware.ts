// Presets of the engine's parameters for common GPUs. Each number is computed from a data sheet, a model's configuration, and four
// shares that published measurements give. Nothing here was measured by this project.
import { defaultParams, type PodParams } from "./params.ts";

interface Gpu {
  /** Bytes of memory. */
  memory: number;
  /** Bytes per second between memory and GPU. */
  bandwidth: number;
  /** Peak of dense BF16 operations per second; data sheets give twice this number "with sparsity". */
  flops: number;
  /** Share of `flops` that a long prefill reaches (MFU). */
  mfu: number;
  /** Bytes per second that an all-reduce moves between the GPUs of one server. */
  link: number;
  /** Seconds that a small all-reduce takes. */
  linkLatency: number;
  /** Maximum of sequences and of tokens per step that `vllm serve` 0.32 chooses (vllm/engine/arg_utils.py). */
  slots: number;
  tokenBudget: number;
}

/** PCIe 4.0 x16 moves 32 GB/s in each direction; an all-reduce reaches about 20 GB/s of it. */
const PCIE = { link: 20e9, linkLatency: 30e-6 };
/** NVLink 4 moves 450 GB/s in each direction, and NVLink 5 moves 900; NCCL's all-reduce reaches about 80 % of it. */
const NVLINK_4 = { link: 360e9, linkLatency: 10e-6 };
const NVLINK_5 = { link: 720e9, linkLatency: 10e-6 };
// vllm/engine/arg_utils.py, defaults of the API server: below 70 GiB, from 70 GiB, from 160 GiB of memory.
const SMALL = { slots: 256, tokenBudget: 2048 };
const LARGE = { slots: 1024, tokenBudget: 8192 };
const LARGEST = { slots: 1024, tokenBudget: 16_384 };

const GPUS = {
  // NVIDIA L4 data sheet: 24 GB, 300 GB/s, 242 TFLOPS with sparsity, 72 W. The low power limit keeps the clock down, so the MFU is
  // lower than that of the other GPUs: an assumption, which gives the 3,000 tokens a second of the row `l4-like`.
  l4: { memory: 24e9, bandwidth: 300e9, flops: 121e12, mfu: 0.4, ...PCIE, ...SMALL },
  // NVIDIA A10 data sheet: 24 GB, 600 GB/s, 250 TFLOPS with sparsity, 150 W.
  a10: { memory: 24e9, bandwidth: 600e9, flops: 125e12, mfu: 0.5, ...PCIE, ...SMALL },
  // NVIDIA H100 data sheet, SXM: 80 GB, 3.35 TB/s, 1,979 TFLOPS with sparsity. MFU: llm-d's optimized baseline gives 15,928 prefill
  // tokens a second for Qwen3-32B on two H100, which is 2 · 32.8e9 · 15,928 / (2 · 989e12) = 0.53.
  h100: { memory: 80e9, bandwidth: 3350e9, flops: 989e12, mfu: 0.53, ...NVLINK_4, ...LARGE },
  // NVIDIA H200 data sheet, SXM: 141 GB, 4.8 TB/s; the same chip as the H100.
  h200: { memory: 141e9, bandwidth: 4800e9, flops: 989e12, mfu: 0.53, ...NVLINK_4, ...LARGE },
  // NVIDIA HGX B200 data sheet, per GPU: 180 GB, 7.7 TB/s, 4.5 PFLOPS with sparsity. The MFU of the H100 is assumed.
  b200: { memory: 180e9, bandwidth: 7700e9, flops: 2250e12, mfu: 0.53, ...NVLINK_5, ...LARGEST },
} as const satisfies Record<string, Gpu>;

/**
 * Share of the bandwidth at which weights and KV blocks are read. Llama 3.1 8B under vLLM reaches 77 % on an A100
 * (johnmusgrave.com/p/vllm-throughput-latency-sweep-on: 75 tokens a second), and 6.48 ms a token on an H100
 * (yobitelcomm.github.io/bench/recipes/concurrency-sweep), which this share and STEP_SECONDS give too.
 */
const BANDWIDTH_SHARE = 0.77;
/** Seconds of each step for launching kernels and for the scheduler, where these do not overlap with the GPU's work. */
const STEP_SECONDS = 0.25e-3;
/**
 * What one more sequence costs, beside its context. Its arithmetic is that of a prefill token, and about half of it hides behind
 * reading the weights, which takes longest until the batch is large. Sampling and detokenizing add SEQUENCE_SECONDS. For an 8B model
 * on an H100 the sum is 0.025 ms; the sweep named above shows 0.037 ms from 1 to 4 sequences, prefills of their prompts included.
 */
const HIDDEN_SHARE = 0.5;
const SEQUENCE_SECONDS = 10e-6;
/** vLLM's gpu_memory_utilization, as in the captures in tests/fixtures/metrics/. */
const MEMORY_SHARE = 0.92;
/**
 * Bytes of a GPU that activations and CUDA graphs take. With vLLM an H100 NVL (94 GiB, 90 %) has room for 542,960 tokens of Llama 3.1
 * 8B, so 3.2 GB are neither weights nor KV cache.
 */
const RESERVED_BYTES = 3e9;

interface Model {
  parameters: number;
  layers: number;
  hidden: number;
  /** KV bytes per token: 2 · layers · KV heads · head size · 2 bytes. */
  kvBytes: number;
  maxModelLen: number;
}

/** Dense models in BF16: config.json of Llama 3.1, which has 8 KV heads of 128 in both sizes. */
const MODELS = {
  "8b": { parameters: 8.03e9, layers: 32, hidden: 4096, kvBytes: 131_072, maxModelLen: 131_072 },
  "70b": { parameters: 70.6e9, layers: 80, hidden: 8192, kvBytes: 327_680, maxModelLen: 131_072 },
} as const satisfies Record<string, Model>;

type Timing = Pick<PodParams, "stepBaseMs" | "prefillTokenMs" | "sequenceMs" | "contextTokenMs">;
type Preset = Partial<PodParams>;

/** GPUs of one pod: the least number, as a power of two, with room for the weights and for the KV blocks of some prompts. */
const PODS = {
  "l4-8b": { gpu: "l4", model: "8b", gpus: 1 },
  "a10-8b": { gpu: "a10", model: "8b", gpus: 1 },
  "h100-8b": { gpu: "h100", model: "8b", gpus: 1 },
  "h200-8b": { gpu: "h200", model: "8b", gpus: 1 },
  "b200-8b": { gpu: "b200", model: "8b", gpus: 1 },
  "l4-70b": { gpu: "l4", model: "70b", gpus: 8 },
  "a10-70b": { gpu: "a10", model: "70b", gpus: 8 },
  "h100-70b": { gpu: "h100", model: "70b", gpus: 4 },
  "h200-70b": { gpu: "h200", model: "70b", gpus: 2 },
  "b200-70b": { gpu: "b200", model: "70b", gpus: 2 },
} as const satisfies Record<string, { gpu: keyof typeof GPUS; model: keyof typeof MODELS; gpus: number }>;

/** Lower bounds that no server can beat, in ms: reading the weights once a step, and the arithmetic of a prefill token. */
interface Physics {
  weightsMs: number;
  prefillTokenMs: number;
}

export function physicsOf(name: keyof typeof PODS): Physics {
  const { gpu, model, gpus } = PODS[name];
  const { bandwidth, flops } = GPUS[gpu];
  const { parameters } = MODELS[model];
  return {
    weightsMs: ((2 * parameters) / (bandwidth * gpus)) * 1000,
    prefillTokenMs: ((2 * parameters) / (flops * gpus)) * 1000,
  };
}

/**
 * A dense model with tensor parallelism. A step reads all weights once. A prefill token costs 2 operations per parameter. Each layer
 * has two all-reduces of `hidden` values of two bytes, and a ring moves 2 · (gpus - 1) / gpus of these bytes over each link.
 */
function computed(name: keyof typeof PODS): Preset {
  const { gpu, model, gpus } = PODS[name];
  const { memory, bandwidth, flops, mfu, link, linkLatency, slots, tokenBudget }: Gpu = GPUS[gpu];
  const { parameters, layers, hidden, kvBytes, maxModelLen }: Model = MODELS[model];
  const weights = 2 * parameters;
  const allReduces = gpus > 1 ? 2 * layers : 0;
  const read = bandwidth * gpus * BANDWIDTH_SHARE;
  const arithmetic = (2 * parameters) / (flops * gpus * mfu);
  const exchange = (allReduces * hidden * 2 * 2 * (gpus - 1)) / gpus / link;
  const kvTokens = (memory * gpus * MEMORY_SHARE - weights - RESERVED_BYTES * gpus) / kvBytes;
  const timing: Timing = {
    stepBaseMs: ms(weights / read + allReduces * linkLatency + STEP_SECONDS),
    prefillTokenMs: ms(arithmetic + exchange),
    sequenceMs: ms((arithmetic + exchange) * HIDDEN_SHARE + SEQUENCE_SECONDS),
    contextTokenMs: ms(kvBytes / read),
  };
  const kvBlocks = Math.floor(kvTokens / defaultParams().blockSize);
  // vLLM starts only if one sequence of the maximum length fits, so an operator lowers the maximum on small GPUs.
  const fits = 2 ** Math.floor(Math.log2(kvTokens));
  return { ...timing, slots, tokenBudget, kvBlocks, maxModelLen: Math.min(maxModelLen, fits) };
}

const ms = (seconds: number): number => Number((seconds * 1000).toPrecision(4));

/** Rows of earlier comparisons, with numbers that were chosen rather than computed. All else is as in `defaultParams`. */
const CHOSEN = {
  "as-assumed": {},
  "l4-like": { stepBaseMs: 50, prefillTokenMs: 0.33, sequenceMs: 0.35 },
  "70b-like": { stepBaseMs: 22, prefillTokenMs: 0.1, sequenceMs: 0.1, slots: 64 },
  fast: { stepBaseMs: 4, prefillTokenMs: 0.01, sequenceMs: 0.02 },
  "cpu-like": { stepBaseMs: 80, prefillTokenMs: 2.5, sequenceMs: 5, slots: 16 },
} as const satisfies Record<string, Preset>;

export type HardwareName = keyof typeof CHOSEN | keyof typeof PODS;
export const COMPUTED_HARDWARE = Object.keys(PODS) as (keyof typeof PODS)[];
export const HARDWARE_NAMES = [...Object.keys(CHOSEN), ...COMPUTED_HARDWARE] as HardwareName[];

/** Returns the parameters that a preset sets. */
export function hardware(name: HardwareName): Preset {
  return Object.hasOwn(CHOSEN, name) ? CHOSEN[name as keyof typeof CHOSEN] : computed(name as keyof typeof PODS);
}
