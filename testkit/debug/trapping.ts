// A debug build of the filter with a trap in it. The build inserts a line into a copy of the sources, as a contributor would.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface TrappingModule {
  wasm: string;
  map: string;
  /** Line of the trap in its file, counted from 1. */
  line: number;
  remove(): void;
}

/** Inserts `statement` after the first line of `file` that contains `after`, and compiles the debug module. */
export function buildTrapping(file: string, after: string, statement: string): TrappingModule {
  // The copy is inside the project, because the compiler looks for node_modules in the folders above.
  const folder = mkdtempSync(join(ROOT, "build", "trapping-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    for (const part of ["assembly", "protocol", "asconfig.json"]) {
      cpSync(join(ROOT, part), join(folder, part), { recursive: true });
    }
    const lines = readFileSync(join(folder, file), "utf8").split("\n");
    const at = lines.findIndex((line) => line.includes(after));
    if (at < 0) throw new Error(`${file}: expected a line that contains ${after}`);
    lines.splice(at + 1, 0, statement);
    writeFileSync(join(folder, file), lines.join("\n"));
    const asc = createRequire(import.meta.url).resolve("assemblyscript/bin/asc.js");
    const run = spawnSync(process.execPath, [asc, "--target", "debug"], { cwd: folder, encoding: "utf8" });
    if (run.status !== 0) throw new Error(`asc --target debug: exit status ${run.status}\n${run.stderr}`);
    const wasm = join(folder, "build/pilotfish.debug.wasm");
    return { wasm, map: `${wasm}.map`, line: at + 2, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
