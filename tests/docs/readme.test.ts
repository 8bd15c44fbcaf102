import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { filterConfiguration, filterMetrics, PAGES, withBlocks } from "./tables.ts";

test("the reference pages have the tables that the code generates (to write them: npx tsx tests/docs/tables.ts)", async () => {
  for (const page of PAGES) {
    const text = readFileSync(page, "utf8");
    assert.equal(text, await withBlocks(text), page);
  }
});

test("every key that the filter's configuration reads is in the table, and no other", () => {
  const prefixes: Record<string, string> = { body: "body.", names: "models.", pick: "pick.", log: "log." };
  // Objects inside `pick` have a file of their own.
  const inside: Record<string, string> = { ejection: "pick.ejection.", session: "pick.session." };
  const read = new Set<string>();
  for (const [file, prefix] of Object.entries({ ...prefixes, ...inside })) {
    const text = readFileSync(`assembly/config/${file}.ts`, "utf8");
    const known = /failKey\(\s*name,\s*"([^"]+)"/.exec(text)?.[1] ?? "";
    for (const key of known.split(", ")) if (`${prefix}${key}.` !== inside[key]) read.add(prefix + key);
  }
  // Keys of three objects, one inside the other.
  const admission = readFileSync("assembly/config/admission.ts", "utf8");
  const [outer = [], saturation = [], hold = []] = [...admission.matchAll(/failKey\(name,\s*"([^"]+)"/g)].map((match) =>
    (match[1] ?? "").split(", "),
  );
  for (const key of outer) if (key !== "saturation" && key !== "hold") read.add(`admission.${key}`);
  for (const key of saturation) read.add(`admission.saturation.${key}`);
  for (const key of hold) read.add(`admission.hold.${key}`);
  const config = readFileSync("assembly/config/config.ts", "utf8");
  const top = /failKey\(key, "([^"]+)"/.exec(config)?.[1]?.split(", ") ?? [];
  for (const key of top) if (!["snapshot", "body", "models", "pick", "admission", "log"].includes(key)) read.add(key);
  for (const key of /failKey\(name, "([^"]+)"/.exec(config)?.[1]?.split(", ") ?? []) read.add(`snapshot.${key}`);
  const listed = filterConfiguration().map((row) => (row[0] ?? "").replaceAll("`", ""));
  assert.deepEqual([...read].sort(), listed.sort());
});

test("every metric of the filter has a sentence", () => {
  const text = readFileSync("assembly/stats.ts", "utf8");
  assert.equal(filterMetrics().length, [...text.matchAll(/^ {2}define\(/gm)].length);
});
