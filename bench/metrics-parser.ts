// `make bench-metrics` measures how fast the sidecar parses the metrics of a model server. ARGS="file ..." selects other captures.
import { readFileSync } from "node:fs";
import { vllm } from "../sidecar/engines/vllm.ts";
import { compileTrie } from "../sidecar/scrape/metric-trie.ts";
import { MetricsParser } from "../sidecar/scrape/metrics-parser.ts";

const given = process.argv.slice(2);
const captures = ["vllm-0.32-idle", "vllm-0.32-load", "vllm-0.32-lora_load", "vllm-0.32-dp2_load"];
const files = given.length > 0 ? given : captures.map((name) => `tests/fixtures/metrics/${name}.txt`);
const parser = new MetricsParser(compileTrie(vllm));

for (const file of files) {
  const body = readFileSync(file);
  const rounds = Math.ceil(200e6 / body.length);
  for (let i = 0; i < rounds / 4; i++) parser.parse(body);
  const start = process.cpuUsage();
  for (let i = 0; i < rounds; i++) parser.parse(body);
  const { user, system } = process.cpuUsage(start);
  const micros = user + system;
  const rate = ((body.length * rounds) / micros).toFixed(0);
  console.log(`${file}: ${body.length} B, ${(micros / rounds).toFixed(1)} us of CPU a body, ${rate} MB/s`);
}
