// The sidecar in front of a real vLLM on the CPU. `make test-vllm` runs this; it takes some minutes.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startVllm } from "../../testkit/vllm/vllm.ts";
import { behaviours, type StartServer } from "./behaviours.ts";

const MODEL = "tiny";

const start: StartServer = async (t, port, several) => {
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-vllm-"));
  const server = await startVllm({ folder, port, model: MODEL, apiServers: several ? 2 : 1 });
  t.after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return server;
};

const skip = process.env.PILOTFISH_TEST_VLLM === "1" ? undefined : "make test-vllm runs this";
behaviours({ title: "vLLM", model: MODEL, start, skip });
