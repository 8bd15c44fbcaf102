// `make test-gateway`: builds Envoy Gateway once, then runs the tests of this folder. ARGS="modes changes" runs these files only.

import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { buildGateway } from "../../testkit/envoy-gateway/build-envoy-gateway.ts";
import { ownNetwork, prepare } from "../../testkit/envoy-gateway/network.ts";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "../..");

await buildGateway();
await prepare();
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));
const all = (await readdir(HERE)).filter((name) => name.endsWith(".test.ts")).sort();
const files = all.filter((name) => wanted.length === 0 || wanted.includes(name.replace(".test.ts", "")));
if (files.length === 0) throw new Error(`got ${wanted.join(" ")}, expected some of ${all.join(" ")}`);
const network = ownNetwork();
console.error(
  network.length > 0
    ? "in a network namespace of its own"
    : "in the system's network: ports 8081, 18000, 18002, 19000, 19001 must be free",
);
const [command = "", ...args] = [...network, process.execPath, "--import", "tsx", "--test"];
args.push("--test-concurrency=1", "--test-reporter=spec");
args.push(...process.argv.slice(2).filter((argument) => argument.startsWith("-")));
args.push(...files.map((name) => relative(ROOT, join(HERE, name))));
const child = spawn(command, args, { cwd: ROOT, stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
child.on("exit", (status) => {
  process.exitCode = status ?? 1;
});
