// The release wasm, compiled if it is older than its sources. Test files run at the same time in processes of their own: one
// process compiles under a lock, the others wait.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isOlder, moduleSources } from "../../envoy/local/built-module.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const target = join(root, "build/pilotfish.wasm");
const lock = join(root, "build/pilotfish.lock");
/** Compiling takes seconds, or minutes on a busy machine. A process that was killed left a lock that is older than this. */
const ABANDONED_MS = 600_000;

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function locked(): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const since = modified(lock);
    if (since !== 0 && Date.now() - since > ABANDONED_MS) rmSync(lock, { recursive: true, force: true });
    return false;
  }
}

function compile(): void {
  const asc = createRequire(import.meta.url).resolve("assemblyscript/bin/asc.js");
  const fresh = `build/pilotfish-${process.pid}`;
  const files = ["--outFile", `${fresh}.wasm`, "--textFile", `${fresh}.wat`];
  const started = new Date();
  try {
    const run = spawnSync(process.execPath, [asc, "--target", "release", ...files], { cwd: root, encoding: "utf8" });
    if (run.status !== 0) throw new Error(`asc --target release: exit status ${run.status}\n${run.stderr}`);
    // A source that changed during the build must be newer than the module.
    utimesSync(join(root, `${fresh}.wasm`), started, started);
    renameSync(join(root, `${fresh}.wasm`), target);
  } finally {
    rmSync(join(root, `${fresh}.wat`), { force: true });
    rmSync(join(root, `${fresh}.wasm`), { force: true });
  }
}

function releaseBytes(): Buffer {
  mkdirSync(join(root, "build"), { recursive: true });
  while (isOlder(target, moduleSources(root))) {
    if (!locked()) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      continue;
    }
    try {
      if (isOlder(target, moduleSources(root))) compile();
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
  return readFileSync(target);
}

/** The module that ships. */
export const release = new WebAssembly.Module(releaseBytes());
