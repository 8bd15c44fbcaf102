// Compiles an entry of tests/assembly/entries/ with the release's flags. It compiles again only if a source has changed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const LOCK_WAIT_MS = 30_000;

/** The sources of an entry. */
const FOLDERS = ["assembly/scan/", "assembly/base/", "protocol/"];

/** `flags` are further flags of asc. */
export function buildEntry(name: "json" | "multipart", flags: readonly string[] = []): Uint8Array {
  const hash = createHash("sha256").update(flags.join(" "));
  const sources = FOLDERS.flatMap((folder) =>
    readdirSync(root + folder, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => folder + file),
  );
  const settings = `testkit/scan/${name}-asconfig.json`;
  for (const path of [...sources.sort(), `tests/assembly/entries/${name}.ts`, settings]) {
    hash.update(readFileSync(root + path));
  }
  const path = `${root}build/${name}-${hash.digest("hex").slice(0, 16)}.wasm`;
  const lock = `${path}.lock`;
  mkdirSync(`${root}build`, { recursive: true });
  // Test files run at the same time. One of them builds; the others wait for the result, and build it themselves if none comes.
  const until = Date.now() + LOCK_WAIT_MS;
  while (!existsSync(path) && Date.now() < until && !taken(lock)) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
  if (!existsSync(path)) {
    const temporary = `${path}.${process.pid}`;
    const asc = fileURLToPath(import.meta.resolve("assemblyscript/bin/asc.js"));
    const args = ["--config", settings, "--target", "release", "--outFile", temporary, ...flags];
    const made = spawnSync(process.execPath, [asc, ...args], { cwd: root, encoding: "utf8" });
    if (made.status === 0) renameSync(temporary, path);
    rmSync(lock, { recursive: true, force: true });
    if (made.status !== 0) throw new Error(`asc failed:\n${made.stdout}${made.stderr}`);
  }
  return readFileSync(path);
}

function taken(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    return false;
  }
}

/** Node's types lack the constructors of WebAssembly. */
export function instantiate<Exports>(bytes: Uint8Array): Exports {
  const { Module, Instance } = WebAssembly as unknown as {
    Module: new (bytes: Uint8Array) => object;
    Instance: new (module: object) => { exports: Exports };
  };
  return new Instance(new Module(bytes)).exports;
}
