// Checks file names, so that a reader who searches for a name finds one file.
import { deepEqual, equal } from "node:assert/strict";
import { basename } from "node:path";
import { test } from "node:test";
import { sources } from "./imports.ts";

/** Names for the entry of a folder. */
const ENTRIES = new Set(["index", "main"]);
/** A test has the name of the tested file, and all benches have the same parts. So their names may repeat. */
const SAME_PARTS = /^(tests|integration|bench)\//;

const stem = (file: string): string => basename(file).replace(/(\.d)?\.ts$/, "");
const programOf = (file: string): string => file.split("/")[0] ?? "";

function programs(files: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const file of files) {
    if (SAME_PARTS.test(file) || ENTRIES.has(stem(file))) continue;
    found.set(programOf(file), [...(found.get(programOf(file)) ?? []), file]);
  }
  return found;
}

/** Whether two names differ by one letter, which is replaced, added or left out. */
function differByOneLetter(a: string, b: string): boolean {
  if (a.length === b.length) return [...a].filter((letter, i) => letter !== b[i]).length === 1;
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  if (long.length - short.length !== 1) return false;
  return [...long].some((_, i) => long.slice(0, i) + long.slice(i + 1) === short);
}

const pairs = (files: readonly string[], alike: (a: string, b: string) => boolean): string[] =>
  files.flatMap((a, i) => files.slice(i + 1).flatMap((b) => (alike(stem(a), stem(b)) ? [`${a}, ${b}`] : [])));

test("no two files of one program have the same name", () => {
  const found = [...programs(sources(".")).values()].flatMap((files) => pairs(files, (a, b) => a === b));
  deepEqual(found, []);
});

test("no two file names of one program differ by one letter", () => {
  const found = [...programs(sources(".")).values()].flatMap((files) => pairs(files, differByOneLetter));
  deepEqual(found, []);
});

test("the check sees a letter that is replaced, added or left out", () => {
  equal(differByOneLetter("report", "reports"), true);
  equal(differByOneLetter("held", "hold"), true);
  equal(differByOneLetter("held", "holder"), false);
  equal(differByOneLetter("place", "place"), false);
});
