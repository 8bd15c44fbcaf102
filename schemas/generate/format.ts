// Formats text with the project's formatter, so that the formatter changes no generated file.
import { execFileSync } from "node:child_process";

/** Formats a text by the rules for `path`. Throws an error with the formatter's message if the text does not parse. */
export function formatted(path: string, text: string): string {
  const biome = ["node_modules/@biomejs/biome/bin/biome", "check", "--write", `--stdin-file-path=${path}`];
  return execFileSync(process.execPath, biome, { input: text, encoding: "utf8" });
}
