// Limits that the filter's own sources state. A row refers to the limit, so that each limit is written once.
import { readFileSync } from "node:fs";

/** The number of `const NAME: u32 = 123;` in a file. Paths count from the root of the project. */
export function numberOf(file: string, name: string): number {
  const [, digits] = match(file, new RegExp(`^(?:export )?const ${name}: u32 = ([0-9]+);$`, "m"), name);
  return Number(digits);
}

/** The texts of `const NAME: string[] = ["a", "b"];` in a file. */
export function textsOf(file: string, name: string): string[] {
  const declared = new RegExp(
    `^(?:export )?const ${name}: (?:string\\[\\]|StaticArray<string>) = \\[([^\\]]*)\\];$`,
    "m",
  );
  const [, texts = ""] = match(file, declared, name);
  return [...texts.matchAll(/"([^"]*)"/g)].map(([, text]) => text as string);
}

/** The texts that a function returns, in their order: `return "a";` of each case. An empty text counts for none. */
export function returnedTexts(file: string, name: string): string[] {
  const [, body = ""] = match(file, new RegExp(`^(?:export )?function ${name}\\([^\\n]*\\n([\\s\\S]*?)^}`, "m"), name);
  return [...body.matchAll(/return "([^"]+)";/g)].map(([, text]) => text as string);
}

function match(file: string, pattern: RegExp, name: string): RegExpExecArray {
  const found = pattern.exec(readFileSync(file, "utf8"));
  if (found === null) throw new Error(`${file}: expected a line that matches ${pattern}, for ${name}`);
  return found;
}
