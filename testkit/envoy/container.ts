// An Envoy in a container, by testcontainers. The container shares the host's network, because simulated pods listen on the
// host's loopback and a picked address must mean the same inside and outside.

import { spawnSync } from "node:child_process";
import { GenericContainer, getContainerRuntimeClient, Wait } from "testcontainers";
import {
  endWithProcess,
  envoyArguments,
  IMAGE_ENTRYPOINT,
  LogLines,
  mounts,
  type RunningEnvoy,
  type RunOptions,
} from "../../envoy/process.ts";

// Ryuk is another image, which removes containers that tests leave behind. It may be absent, and it is not needed:
// endWithProcess removes the container with this process.
process.env.TESTCONTAINERS_RYUK_DISABLED ??= "true";
// On the host's network every address is a loopback address. Inside a container testcontainers would ask the default bridge for
// a gateway, and fail on an engine without a bridge, such as the engine that .ci/docker.sh starts.
process.env.TESTCONTAINERS_HOST_OVERRIDE ??= "127.0.0.1";

const START_TIMEOUT_MS = 60_000;

export async function runContainer(image: string, options: RunOptions): Promise<RunningEnvoy> {
  const log = new LogLines(options.onLog);
  const container = new GenericContainer(image)
    .withNetworkMode("host")
    .withEntrypoint([IMAGE_ENTRYPOINT])
    .withCommand(envoyArguments(options))
    .withBindMounts(mounts(options).map(({ path, mode }) => ({ source: path, target: path, mode })))
    .withEnvironment({ ...options.environment })
    .withLogConsumer((stream) => stream.on("data", (chunk: Buffer | string) => log.push(chunk)))
    // Each of these lines ends the wait, so a refused configuration fails at once with its message in the log.
    .withWaitStrategy(Wait.forLogMessage(/starting main dispatch loop|exiting|error initializing/))
    .withStartupTimeout(START_TIMEOUT_MS);
  if (process.getuid && process.getgid) container.withUser(`${process.getuid()}:${process.getgid()}`);
  const started = await container.start();
  const id = started.getId();

  const client = await getContainerRuntimeClient();
  const handle = client.container.getById(id);
  const pid = (await handle.inspect()).State.Pid || undefined;
  const forget = endWithProcess(() => {
    spawnSync("docker", ["rm", "--force", id], { stdio: "ignore", timeout: 10_000 });
  });
  let ended: string | undefined;
  const exited = (handle.wait() as Promise<{ StatusCode: number }>).then(
    ({ StatusCode }) => `status ${StatusCode}`,
    (error: Error) => error.message,
  );
  exited.then((how) => {
    ended = how;
  });
  const remove = async () => {
    forget();
    await handle.remove({ force: true }).catch(() => undefined);
  };
  return {
    runtime: "docker",
    pid,
    exited,
    ended: () => ended,
    logs: () => log.lines,
    async stop(graceMs = 5000) {
      if (ended === undefined) await handle.stop({ t: Math.ceil(graceMs / 1000) }).catch(() => undefined);
      await exited;
      await remove();
    },
    async kill() {
      if (ended === undefined) await handle.kill({ signal: "SIGKILL" }).catch(() => undefined);
      await exited;
      await remove();
    },
  };
}
