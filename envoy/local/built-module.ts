// Builds the filter if it is missing or older than its sources, as the Makefile does.
import { spawn } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { access, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { endWithProcess } from "../process.ts";
import { RunError } from "./run-error.ts";

const SHOWN_LINES = 15;

/** Returns the module's path. */
export async function builtModule(root: string, say: (line: string) => void): Promise<string> {
  const file = join(root, "build", "pilotfish.wasm");
  if (!isOlder(file, moduleSources(root))) return file;
  const compiler = join(root, "node_modules", "assemblyscript", "bin", "asc.js");
  await access(compiler).catch(() => {
    throw new RunError("the filter cannot be built: AssemblyScript is not installed", "Run npm ci, or make run.");
  });
  say("building build/pilotfish.wasm ...");
  const began = Date.now();
  const timer = setInterval(() => say(`  ${Math.round((Date.now() - began) / 1000)} s`), 10_000);
  try {
    await mkdir(join(root, "build"), { recursive: true });
    await compile(root, compiler);
  } finally {
    clearInterval(timer);
  }
  const { size } = await stat(file);
  say(`  ${Math.round(size / 1000)} kB in ${((Date.now() - began) / 1000).toFixed(1)} s`);
  return file;
}

/** The sources of the module. */
export function moduleSources(root: string): string[] {
  const assembly = join(root, "assembly");
  const names = readdirSync(assembly, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const settings = [join(root, "asconfig.json"), join(root, "protocol", "constants.ts")];
  return [...settings, ...names.map((name) => join(assembly, name))];
}

/** Whether `file` is missing or older than one of `others`. */
export function isOlder(file: string, others: readonly string[]): boolean {
  const own = statSync(file, { throwIfNoEntry: false });
  return own === undefined || others.some((other) => statSync(other).mtimeMs > own.mtimeMs);
}

function compile(root: string, compiler: string): Promise<void> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [compiler, "--target", "release"], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const forget = endWithProcess(() => child.kill("SIGKILL"));
    let output = "";
    const keep = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", fail);
    child.on("close", (status) => {
      forget();
      if (status === 0) return done();
      // Infos and warnings come first; only the errors are shown.
      const errors = output.slice(Math.max(0, output.indexOf("ERROR"))).split("\n");
      const hint = "Run npm run build to see all of it.";
      fail(new RunError(`the filter cannot be built: asc ended with ${status}`, hint, errors.slice(0, SHOWN_LINES)));
    });
  });
}
