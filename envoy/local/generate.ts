// Writes the configurations of examples.ts: `tsx envoy/local/generate.ts`. With --check it only compares. The ports are fixed, so that
// people can read, copy and run the files.

import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { envoyYaml } from "../config.ts";
import { EXAMPLES, type Example } from "./examples.ts";

export const exampleUrl = ({ file }: Example): URL => new URL(file, import.meta.url);

export const exampleText = ({ header, options }: Example): string => `${header}\n${envoyYaml(options)}`;

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const example of EXAMPLES) {
    const text = exampleText(example);
    if (!process.argv.includes("--check")) await writeFile(exampleUrl(example), text);
    else if ((await readFile(exampleUrl(example), "utf8")) !== text) {
      console.error(`${example.file}: expected the output of tsx envoy/local/generate.ts; run it and commit`);
      process.exitCode = 1;
    }
  }
}
