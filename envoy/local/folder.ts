// The folder with the configuration and logs of a run: build/run, or a spare folder while another run uses build/run.
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";

export interface RunFolder {
  path: string;
  /** Absolute path of a file in it. */
  file(name: string): string;
  /** Releases the folder. A spare folder is removed unless `keep` is set. */
  release(keep: boolean): Promise<void>;
}

export async function takeFolder(parent: string, pid: number = process.pid): Promise<RunFolder> {
  const usual = join(parent, "run");
  if (await claim(usual, pid)) return folder(usual, false);
  const spare = join(parent, `run-${pid}`);
  await mkdir(spare, { recursive: true });
  return folder(spare, true);
}

/** Takes the folder and clears it. Returns false if another run uses it. */
async function claim(path: string, pid: number): Promise<boolean> {
  const lock = join(path, "run.pid");
  const owner = Number(await readFile(lock, "utf8").catch(() => "0"));
  if (owner > 0 && isAlive(owner)) return false;
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true });
  // Of two runs that start at the same time, only one can create the file.
  return writeFile(lock, String(pid), { flag: "wx" }).then(
    () => true,
    () => false,
  );
}

async function folder(path: string, spare: boolean): Promise<RunFolder> {
  // The configuration contains the secret of the run.
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

/** A path relative to the working folder. */
export function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}
