// Text as the project's formatter writes it, so that a generated file and a formatted one are the same.
import { execFileSync } from "node:child_process";

/** Throws, with the formatter's message, for text that does not parse. `path` says which rules apply. */
export function formatted(path: string, text: string): string {
  const biome = ["node_modules/@biomejs/biome/bin/biome", "check", "--write", `--stdin-file-path=${path}`];
  return execFileSync(process.execPath, biome, { input: text, encoding: "utf8" });
}
