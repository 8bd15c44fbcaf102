// Detects whether a file has changed.
import { statSync } from "node:fs";

/**
 * Returns size, time of change and inode as a text that differs after every change of the file. Throws if the file is
 * missing.
 */
export function stampOf(path: string): string {
  const { size, mtimeMs, ino } = statSync(path);
  return `${size} ${mtimeMs} ${ino}`;
}
