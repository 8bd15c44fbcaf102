// Captures of /metrics of real vLLM 0.32 servers: idle, load, lora_load and dp2_load.
import { readFileSync } from "node:fs";

export function capture(name: string): Buffer {
  return readFileSync(new URL(`../tests/fixtures/metrics/vllm-0.32-${name}.txt`, import.meta.url));
}
