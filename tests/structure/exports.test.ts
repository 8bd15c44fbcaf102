// An export that no other file imports is dead, or only its own file uses it. Delete the code, or remove the keyword `export`.
import { deepEqual, equal } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { exportedNames, importedNames, unusedExports, unusedLocals } from "./exports.ts";
import { sources } from "./imports.ts";

/** Files whose exports a program outside of this project uses. */
const EXCEPTIONS: readonly { path: string; reason: string }[] = [
  { path: "assembly/main.ts", reason: "Envoy calls the exports of the module" },
  { path: "assembly/host/abort.ts", reason: "asconfig.json names it: asc calls it where the program ends" },
  { path: "tests/assembly/entries/", reason: "entries of modules of their own, whose exports tests and benches call" },
];

const files = sources(".");
const texts = new Map(files.map((file) => [file, readFileSync(file, "utf8")]));
const excepted = (file: string): boolean => EXCEPTIONS.some(({ path }) => file === path || file.startsWith(path));

test("every export is imported by another file", () => {
  deepEqual(unusedExports(texts, excepted), []);
});

test("every top-level name of the filter is used", () => {
  const filter = files.filter((file) => file.startsWith("assembly/"));
  deepEqual(
    filter.flatMap((file) => unusedLocals(texts.get(file) ?? "").map((name) => `${file}: ${name}`)),
    [],
  );
});

test("every exception is necessary", () => {
  const unused = unusedExports(texts, () => false);
  const idle = EXCEPTIONS.filter(({ path }) => !unused.some((name) => name.startsWith(path)));
  deepEqual(idle, []);
});

test("these checks see every way to export and to import a name", () => {
  const sample = new Map([
    [
      "a.ts",
      "export function f(): void {}\nexport const K = 1;\n// export const COMMENTED = 1;\nexport type T = 1;\nfunction g(): void {}\nexport { g as h };\n",
    ],
    [
      "b.ts",
      'import { type T, K as L } from "./a";\nimport * as a from "./a.ts";\na.f();\nexport { h } from "./a.ts";\n',
    ],
    ["c.ts", `const { h } = await import(${JSON.stringify("./b.ts")});\n`],
  ]);
  deepEqual(exportedNames(sample.get("a.ts") ?? ""), ["f", "K", "T", "h"]);
  deepEqual(importedNames("b.ts", sample.get("b.ts") ?? "", sample), ["a.ts T", "a.ts K", "a.ts h", "a.ts f"]);
  deepEqual(
    unusedExports(sample, () => false),
    [],
  );
  sample.set("c.ts", "");
  deepEqual(
    unusedExports(sample, () => false),
    ["b.ts: h"],
  );
  deepEqual(unusedLocals("const USED = 1;\nfunction dead(): i32 {\n  return USED; // dead\n}\n"), ["dead"]);
  equal(excepted("assembly/main.ts"), true);
});
