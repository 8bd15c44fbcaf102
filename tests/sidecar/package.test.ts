// The installed npm package works, and the recipe of the image starts the same program as the package.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { release } from "../../testkit/filter/release.ts";
import { SECRET, startFilter } from "../../testkit/sidecar/fake-filter.ts";
import { startPod } from "../../testkit/sidecar/fake-pod.ts";
import { until } from "../../testkit/until.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

let folder: string;

before(async () => {
  // The folder is world-readable, since another user runs the package.
  folder = mkdtempSync(join(tmpdir(), "pilotfish-package-"));
  await run("chmod", ["755", folder]);
  await run("npm", ["run", "--silent", "build:sidecar"], { cwd: ROOT });
  await run("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], { cwd: ROOT });
  writeFileSync(join(folder, "package.json"), '{"private":true}');
  const install = ["install", "--omit=dev", "--no-fund", "--no-audit", `./pilotfish-${manifest.version}.tgz`];
  // npm's cache has the packages since `npm ci`. After a cleaned cache npm asks the registry.
  await run("npm", [...install, "--offline"], { cwd: folder }).catch(() => run("npm", install, { cwd: folder }));
});

after(() => rmSync(folder, { recursive: true, force: true }));

test("npx pilotfish runs from the installed package with only its own dependencies", async () => {
  const { stdout } = await run("npx", ["--no-install", "pilotfish", "--help"], {
    cwd: folder,
    env: { ...process.env, npm_config_offline: "true", npm_config_update_notifier: "false" },
  });
  assert.match(stdout, /^Usage: pilotfish /);
  for (const file of ["build/sidecar/sidecar/status/page.html", "LICENSE", "README.md"]) {
    assert.ok(existsSync(join(folder, "node_modules/pilotfish", file)), file);
  }
  assert.ok(!existsSync(join(folder, "node_modules/typescript")), "no development dependency came along");
});

test("schema prints the schemas that ship", async () => {
  const main = join(folder, "node_modules/pilotfish", manifest.bin.pilotfish);
  for (const program of ["filter", "sidecar"]) {
    const { stdout } = await run(process.execPath, [main, "schema", program]);
    assert.equal(stdout, readFileSync(join(ROOT, `schemas/${program}.schema.json`), "utf8"));
  }
  await assert.rejects(run(process.execPath, [main, "schema", "another"]), /expected filter or sidecar/);
});

test("plan runs from the installed package: the module and the emulator are in it", async () => {
  assert.ok(release, "the module is built");
  const main = join(folder, "node_modules/pilotfish", manifest.bin.pilotfish);
  const snapshot = join(ROOT, "protocol/fixtures/places.snapshot.bin");
  const { stdout } = await run(process.execPath, [main, "plan", "--snapshot", snapshot, "--model", "llama"]);
  assert.match(stdout, /^model llama: 10\.0\.0\.[12]:8000 \(picked\)/);
});

/** A shell command that runs its arguments as the image runs them: with a read-only root, as a user without rights. */
const CONFINED = 'mount -o remount,bind,ro / && exec setpriv --reuid=65532 --regid=65532 --clear-groups "$@"';

async function canConfine(): Promise<boolean> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const probe = ["--mount", "sh", "-c", CONFINED, "sh", process.execPath, "-e", ""];
  return run("unshare", probe).then(
    () => true,
    () => false,
  );
}

test("the sidecar works without root and on a read-only file system, and ends with 0 on SIGTERM", async (t) => {
  if (!(await canConfine())) return t.skip("no mount namespace can be made here (needs root on Linux)");
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  const main = join(folder, "node_modules/pilotfish", manifest.bin.pilotfish);
  const flags = ["--endpoint", pod.url, "--push", filter.url, "--listen", "127.0.0.1:0"];
  const child = spawn("unshare", ["--mount", "sh", "-c", CONFINED, "sh", process.execPath, main, ...flags], {
    env: { PATH: process.env.PATH, PILOTFISH_SECRET: SECRET },
    stdio: ["ignore", "ignore", "pipe"],
  });
  t.after(() => void child.kill("SIGKILL"));
  let log = "";
  child.stderr.on("data", (data) => (log += data));
  const code = new Promise<number | null>((done) => child.on("close", done));
  await until("a push", () => filter.stored);
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  assert.match(status, /^Uid:\t65532\t65532/m);
  child.kill("SIGTERM");
  assert.equal(await code, 0, log);
});

test("the image's recipe copies existing files, runs without root, and starts the program that the package starts", () => {
  const recipe = readFileSync(join(ROOT, "sidecar/Dockerfile"), "utf8");
  const allowed = readFileSync(join(ROOT, "sidecar/Dockerfile.dockerignore"), "utf8").split("\n");
  for (const [, list = ""] of recipe.matchAll(/^COPY (?!--from)(.*) \S+$/gm)) {
    for (const path of list.split(" ")) {
      assert.ok(existsSync(join(ROOT, path)), path);
      assert.ok(allowed.includes(`!${path}`), `${path} reaches the build`);
    }
  }
  const stage = recipe.slice(recipe.lastIndexOf("\nFROM "));
  assert.match(stage, /^FROM gcr\.io\/distroless\/nodejs20-debian12:nonroot$/m);
  assert.match(stage, /^USER 65532:65532$/m);
  assert.ok(stage.includes(`ENTRYPOINT ["/nodejs/bin/node", "${manifest.bin.pilotfish}"]`));
});
