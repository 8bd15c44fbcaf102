#!/usr/bin/env node
// The command line of the simulated pod: starts one pod, prints its URL, and ends on a signal.
import { Command, InvalidArgumentError, Option } from "commander";
import { TOKENIZER_NAMES } from "./engine/tokenizer.ts";
import { HARDWARE_NAMES, type HardwareName, hardware } from "./hardware.ts";
import { ParamError, type PodParams } from "./params.ts";
import { startPod } from "./pod.ts";

interface Options {
  name: string;
  host: string;
  port: number;
  model: string[];
  lora: string[];
  engines: number;
  slots?: number;
  kvBlocks?: number;
  blockSize?: number;
  speed?: number;
  tokenizer?: string;
  tokenBytes?: number;
  hardware?: HardwareName;
  set: string[];
}

const collect = (value: string, all: string[]) => [...all, value];

function number(value: string): number {
  const parsed = Number(value);
  if (value.trim() === "" || Number.isNaN(parsed)) throw new InvalidArgumentError("expected a number");
  return parsed;
}

const program = new Command("pilotfish-pod")
  .description("A simulated vLLM pod: queue, slots, KV cache, adapters, and vLLM's API and metrics.")
  .option("--name <name>", "value of the response header x-inference-pod", "pod")
  .option("--host <address>", "address to listen on", "127.0.0.1")
  .option("--port <port>", "port to listen on; 0 takes a free one", number, 0)
  .option("--model <id>", "model to serve; may be repeated, the first is the default (default: sim-model)", collect, [])
  .option("--lora <adapter[=model]>", "adapter of the first model, or of the one named; may be repeated", collect, [])
  .option("--engines <n>", "data-parallel ranks", number, 1)
  .option("--slots <n>", "sequences that run at once", number)
  .option("--kv-blocks <n>", "blocks of the KV cache", number)
  .option("--block-size <n>", "tokens per block", number)
  .option("--speed <factor>", "divides every step's duration", number)
  .addOption(new Option("--tokenizer <name>", "bytes, or a vocabulary").choices(TOKENIZER_NAMES))
  .option("--token-bytes <n>", "bytes of a token, from 1 to 16, not always whole", number)
  .addOption(
    new Option("--hardware <name>", "preset of a GPU and a model; other flags go before it").choices(HARDWARE_NAMES),
  )
  .option("--set <key=value>", "any other parameter of GET /sim/params; may be repeated", collect, []);

/** Turns flags into parameters. A value of --set is JSON if it parses as JSON, otherwise a string. */
function paramsOf(options: Options): Partial<PodParams> {
  const params: Record<string, unknown> = options.hardware === undefined ? {} : { ...hardware(options.hardware) };
  for (const key of ["slots", "kvBlocks", "blockSize", "speed", "tokenizer", "tokenBytes"] as const) {
    if (options[key] !== undefined) params[key] = options[key];
  }
  for (const pair of options.set) {
    const at = pair.indexOf("=");
    if (at < 0) throw new ParamError("--set", pair, "key=value");
    const value = pair.slice(at + 1);
    const key = pair.slice(0, at);
    if (key === "fail") params[key] = value;
    else {
      try {
        params[key] = JSON.parse(value);
      } catch {
        params[key] = value;
      }
    }
  }
  return params;
}

async function main(): Promise<void> {
  const options = program.parse().opts<Options>();
  const models = (options.model.length > 0 ? options.model : ["sim-model"]).map((id) => ({
    id,
    adapters: [] as string[],
  }));
  for (const lora of options.lora) {
    const at = lora.lastIndexOf("=");
    const base = at < 0 ? models[0] : models.find((model) => model.id === lora.slice(at + 1));
    if (base === undefined) throw new ParamError("--lora", lora, `a model among ${models.map((m) => m.id).join(", ")}`);
    base.adapters.push(at < 0 ? lora : lora.slice(0, at));
  }
  const { name, host, port, engines } = options;
  const pod = await startPod({ name, host, port, engines, models, params: paramsOf(options) });
  console.log(`${name} serves ${models.map((model) => model.id).join(", ")} on ${pod.url}`);
  const stop = () => void pod.close();
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
