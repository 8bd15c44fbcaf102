import { statSync } from "node:fs";

/** Differs after every change of the file: size, time of change, inode. Throws if the file is missing. */
export function stampOf(path: string): string {
  const { size, mtimeMs, ino } = statSync(path);
  return `${size} ${mtimeMs} ${ino}`;
}
