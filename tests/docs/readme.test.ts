import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { filterConfiguration, filterMetrics, PAGES, withBlocks } from "./tables.ts";

const documents = ["README.md", "ARCHITECTURE.md", "RATIONALE.md", "CONTRIBUTING.md", "protocol/README.md"];

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

test("the table of refusals has each code of the filter with its status", () => {
  const sources = ["request/refuse", "request/refuse-busy", "reserved/reserved"]
    .map((name) => readFileSync(`assembly/filter/${name}.ts`, "utf8"))
    .join("\n");
  const inCode = new Set<string>();
  for (const match of sources.matchAll(/sendError\(writer, (\d+), "\w*", "(\w+)"/g))
    inCode.add(`${match[1]} ${match[2]}`);
  for (const match of sources.matchAll(/refuse\(\s*(\d+),\s*\w+,[\s\S]*?"(\w+)",?\s*\);/g))
    inCode.add(`${match[1]} ${match[2]}`);
  for (const match of sources.matchAll(/sendBusy\(writer, (\d+), "\w+", ([^;]+), admission/g))
    for (const code of (match[2] ?? "").matchAll(/"(\w+)"/g)) inCode.add(`${match[1]} ${code[1]}`);
  const page = readFileSync("docs/reference/refusals.md", "utf8");
  const onPage = new Set<string>();
  for (const match of page.matchAll(/^\| (\d{3}) \| `(\w+)` \|/gm)) onPage.add(`${match[1]} ${match[2]}`);
  assert.deepEqual([...inCode].sort(), [...onPage].sort());
});

test("the documents name only files, folders and make targets that exist", () => {
  const targets = new Set(
    [...readFileSync("Makefile", "utf8").matchAll(/^([a-z][a-z-]*):/gm)].map((match) => match[1]),
  );
  const root = new Set(readdirSync("."));
  for (const document of documents) {
    const text = readFileSync(document, "utf8");
    for (const match of text.matchAll(/`make ([a-z-]+)[^`]*`|^make ([a-z-]+)/gm)) {
      const target = match[1] ?? match[2] ?? "";
      assert.ok(targets.has(target) || target.endsWith("-"), `${document}: make ${target}`);
    }
    for (const match of text.matchAll(/`([A-Za-z.]+\/[\w./-]*)`/g)) {
      const path = match[1] ?? "";
      if (root.has(path.split("/")[0] ?? "")) assert.ok(existsSync(path), `${document}: ${path}`);
    }
  }
});
