// Builds a program from its Go module once, into the cache folder. The Go module proxy serves the source. Go checks the
// source against its checksum database or a go.sum, and `download` checks the source against a sum that this project pins.

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, mkdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Environment, type Progress, progressToStderr } from "../../envoy/wheel.ts";
import { longCommand } from "../long-command.ts";

export class GoBuildError extends Error {
  override readonly name = "GoBuildError";
  /** GO_MISSING: no Go on PATH. GO_FETCH: the module cannot be fetched. GO_BUILD: Go failed, or the source is not the pinned one. */
  readonly code: "GO_MISSING" | "GO_FETCH" | "GO_BUILD";

  constructor(code: GoBuildError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** A published module at one version, and the checksum that Go's database has for it. */
export interface PinnedModule {
  path: string;
  version: string;
  sum: string;
}

export interface GoProgram {
  /** Name and version, for messages. */
  title: string;
  /** Path of the binary in the cache. The last part is the binary's name. */
  path: string;
  /** The oldest Go that compiles it. */
  oldestGo: string;
  /** The module that `download` checks before the build. Absent where a go.sum in the source tree checks every module. */
  module?: PinnedModule;
  /** Further environment variables for go. */
  environment: Readonly<Record<string, string>>;
  /**
   * Prepares the empty folder `work` and returns go's arguments. The command runs in `work`, which is GOBIN as well, and leaves
   * the binary there.
   * `goMod` is the module's own go.mod and `source` the folder of its read-only source. Both are empty without `module`.
   */
  prepare(work: string, goMod: string, source: string): readonly string[] | Promise<readonly string[]>;
}

export interface BuildOptions {
  env?: Environment;
  progress?: Progress;
}

/** The path of the binary, which is built unless the cache has it. */
export async function buildGoProgram(program: GoProgram, options: BuildOptions = {}): Promise<string> {
  const { env = process.env, progress = progressToStderr } = options;
  if (await exists(program.path)) return program.path;
  const binary = basename(program.path);
  const work = join(dirname(program.path), `.build-${process.pid}-${randomBytes(4).toString("hex")}`);
  // `go install` leaves the binary in GOBIN.
  const goEnvironment = { ...env, GOBIN: work, ...program.environment } as NodeJS.ProcessEnv;
  await mkdir(work, { recursive: true });
  try {
    let fetched = { goMod: "", source: "" };
    if (program.module) {
      progress(`${program.title}: fetching the source with go`);
      fetched = await download(program.module, program.oldestGo, goEnvironment);
    }
    const args = await program.prepare(work, fetched.goMod, fetched.source);
    progress(`${program.title}: building ${binary}, minutes the first time`);
    await compile(program, args, work, goEnvironment, progress);
    // A binary in the cache is complete, because the binary gets its name by a rename.
    await rename(join(work, binary), program.path);
    progress(`${program.title}: ${program.path} is ready`);
    return program.path;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Whether the cache has all of these binaries; tests skip without them. */
export async function areBuilt(paths: readonly string[]): Promise<boolean> {
  return (await Promise.all(paths.map(exists))).every(Boolean);
}

/** Downloads a module, compares its checksum, and returns its go.mod and the folder of its source. */
async function download(module: PinnedModule, oldestGo: string, env: NodeJS.ProcessEnv) {
  const name = `${module.path}@${module.version}`;
  const output = await new Promise<string>((done, fail) => {
    execFile("go", ["mod", "download", "-json", name], { env, timeout: 600_000 }, (error, stdout, stderr) => {
      if (!error) return done(stdout);
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return fail(goMissing(oldestGo));
      fail(new GoBuildError("GO_FETCH", `${name}: ${stderr.trim() || stdout.trim()}`));
    });
  });
  const { Sum, GoMod, Dir } = JSON.parse(output) as { Sum?: string; GoMod: string; Dir: string };
  if (Sum !== module.sum) throw new GoBuildError("GO_BUILD", `${name}: sum is ${Sum}, expected ${module.sum}`);
  return { goMod: await readFile(GoMod, "utf8"), source: Dir };
}

/** Runs go in `cwd`; with -v go names each package that it compiles. */
async function compile(
  program: GoProgram,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  progress: Progress,
): Promise<void> {
  const { status, lines } = await longCommand({ title: program.title, argv: ["go", ...args], cwd, env, progress });
  if (status === 0) return;
  if (status === 127) throw goMissing(program.oldestGo);
  throw new GoBuildError("GO_BUILD", `go ${args.join(" ")}: ended with ${status}\n${lines.join("\n")}`);
}

function goMissing(oldestGo: string): GoBuildError {
  return new GoBuildError(
    "GO_MISSING",
    `go was not found on PATH; install Go ${oldestGo} or newer (https://go.dev/dl)`,
  );
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** For a file that runs as a program: prints what was built, or why the build failed. */
export async function printBuilt(build: () => Promise<string>): Promise<void> {
  try {
    console.log(await build());
  } catch (error) {
    if (!(error instanceof GoBuildError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
