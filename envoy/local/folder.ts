// Where one run keeps its configuration and logs: build/run, or a folder beside it while another run has that one.
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";

export interface RunFolder {
  path: string;
  /** Absolute path of a file in it. */
  file(name: string): string;
  /** Lets go of it; the logs stay unless the folder was a spare one and `keep` is not asked for. */
  release(keep: boolean): Promise<void>;
}

export async function takeFolder(parent: string, pid: number = process.pid): Promise<RunFolder> {
  const usual = join(parent, "run");
  if (await claim(usual, pid)) return folder(usual, false);
  const spare = join(parent, `run-${pid}`);
  await mkdir(spare, { recursive: true });
  return folder(spare, true);
}

/** True when `path` is ours now. What an earlier run left there is cleared. */
async function claim(path: string, pid: number): Promise<boolean> {
  const lock = join(path, "run.pid");
  const owner = Number(await readFile(lock, "utf8").catch(() => "0"));
  if (owner > 0 && isAlive(owner)) return false;
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true });
  // Two that start at once: one of them writes the file.
  return writeFile(lock, String(pid), { flag: "wx" }).then(
    () => true,
    () => false,
  );
}

async function folder(path: string, spare: boolean): Promise<RunFolder> {
  // The configuration there holds this run's secret.
  await chmod(path, 0o700);
  return {
    path,
    file: (name) => join(path, name),
    async release(keep) {
      if (spare && !keep) await rm(path, { recursive: true, force: true });
      else await rm(join(path, "run.pid"), { force: true });
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** A path as people type it. */
export function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}
