// Reads limits and names from the filter's sources. A row refers to them here, so that each is written once.
import { readFileSync } from "node:fs";

/** Reads the number of `const NAME: u32 = 123;` in a file. Paths are relative to the root of the project. */
export function numberOf(file: string, name: string): number {
  const [, digits] = match(file, new RegExp(`^(?:export )?const ${name}: u32 = ([0-9]+);$`, "m"), name);
  return Number(digits);
}

/** Reads the texts of `const NAME: string[] = ["a", "b"];` in a file. */
export function textsOf(file: string, name: string): string[] {
  const declared = new RegExp(
    `^(?:export )?const ${name}: (?:string\\[\\]|StaticArray<string>) = \\[([^\\]]*)\\];$`,
    "m",
  );
  const [, texts = ""] = match(file, declared, name);
  return [...texts.matchAll(/"([^"]*)"/g)].map(([, text]) => text as string);
}

/** Reads the texts that a function returns, in their order: `return "a";` of each case. Empty texts are left out. */
export function returnedTexts(file: string, name: string): string[] {
  const [, body = ""] = match(file, new RegExp(`^(?:export )?function ${name}\\([^\\n]*\\n([\\s\\S]*?)^}`, "m"), name);
  return [...body.matchAll(/return "([^"]+)";/g)].map(([, text]) => text as string);
}

function match(file: string, pattern: RegExp, name: string): RegExpExecArray {
  const found = pattern.exec(readFileSync(file, "utf8"));
  if (found === null) throw new Error(`${file}: expected a line that matches ${pattern}, for ${name}`);
  return found;
}
