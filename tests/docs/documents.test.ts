// Every path, link, anchor, command, configuration key, metric and table of every document is checked against the tree.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { RENAMED } from "../../sidecar/config/renamed.ts";
import { LAYERS } from "../structure/layers.ts";
import { allDocuments, CHECKS, wrongMentions } from "./checks.ts";
import { links, parseDocument, readDocument, tables, treeFiles } from "./markdown.ts";
import { refusalsInCode, refusalsOnPage } from "./refusals.ts";

const DOCUMENTS = allDocuments();
const problems = (text: string) => CHECKS.flatMap((check) => check(parseDocument("docs/README.md", text)));

for (const document of DOCUMENTS) {
  test(`${document.path} names only what exists`, () => {
    assert.deepEqual(
      CHECKS.flatMap((check) => check(document)),
      [],
    );
  });
}

test("comments and manifests name only documents that exist", () => {
  assert.deepEqual(wrongMentions(), []);
});

test("the page of refusals has each code of the filter with its status, and no other", () => {
  assert.deepEqual(refusalsOnPage(), refusalsInCode());
});

test("the changelog names every key that has a new name", () => {
  const changelog = readDocument("CHANGELOG.md").text;
  const rows = treeFiles("schemas/filter").map((file) => readFileSync(file, "utf8"));
  const former = rows.flatMap((text) => [...text.matchAll(/^ +formerly: "(\w+)"/gm)].map((match) => match[1] ?? ""));
  assert.ok(former.length > 0);
  for (const key of [...former, ...Object.keys(RENAMED)]) assert.match(changelog, new RegExp(`[.\`]${key}\``), key);
});

test("CHANGELOG.md follows Keep a Changelog 1.1", () => {
  const headings = readDocument("CHANGELOG.md").prose.filter((line) => line.startsWith("#"));
  assert.deepEqual(headings.slice(0, 2), ["# Changelog", "## [Unreleased]"]);
  const kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];
  for (const heading of headings.slice(2))
    assert.match(
      heading,
      new RegExp(`^(## \\[\\d+\\.\\d+\\.\\d+\\] - \\d{4}-\\d\\d-\\d\\d|### (${kinds.join("|")}))$`),
    );
});

test("the index of docs/ links every page below it", () => {
  const linked = new Set(links(readDocument("docs/README.md")).map((target) => `docs/${target.split("#")[0]}`));
  const pages = DOCUMENTS.map(({ path }) => path).filter((path) => /^docs\/.+\/.+\.md$/.test(path));
  assert.ok(pages.length > 10);
  assert.deepEqual(
    pages.filter((page) => !linked.has(page)),
    [],
  );
});

test("the README has at most 130 lines", () => {
  assert.ok(readDocument("README.md").text.trimEnd().split("\n").length <= 130);
});

test("the checks find each kind of fault", () => {
  const faults: Record<string, RegExp> = {
    "[x](no-such-page.md)": /no such file/,
    "[x](../README.md#no-such-heading)": /no such heading/,
    "`assembly/no-such-file.ts`": /not found from the root/,
    "`pick/token-cost.ts`": /not found from the root/,
    "`make no-such-target`": /no such target/,
    "```sh\nnode --import tsx --test tests/no-such.test.ts\n```": /does not exist/,
    "```sh\nnpx tsx sidecar/main.ts --no-such-flag\n```": /no flag --no-such-flag/,
    "`make spec FILE=tests/no-such.spec.ts`": /does not exist/,
    '`make run ARGS="--no-such-flag 1"`': /no flag --no-such-flag/,
    "`pilotfish check --no-such-flag`": /no flag --no-such-flag/,
    "`pick.noSuchKey`": /in neither table/,
    "```json\n{]\n```": /example/,
    '`{"pick": {"noSuchKey": 1}}`': /no configuration has the key pick.noSuchKey/,
    "```yaml\nscrape:\n  noSuchKey: 1\n```": /no configuration has the key scrape.noSuchKey/,
    "`pilotfish_no_such_metric`": /not in docs/,
    "| a | b |\n| --- | --- |\n| c |": /1 cells, its head has 2/,
  };
  for (const [text, expected] of Object.entries(faults)) assert.match(problems(text).join("; "), expected, text);
  assert.deepEqual(
    problems('[x](../README.md) `README.md` `make run ARGS="--port 0"` `pick.profile` `text/plain`'),
    [],
  );
});

test("ARCHITECTURE.md lists the folders in the order in which they may import", () => {
  const [listed = []] = tables(readDocument("ARCHITECTURE.md")).filter(([head]) => head?.[0] === "folder");
  const named = listed
    .slice(2)
    .flatMap(([cell = ""]) => [...cell.matchAll(/`([\w./-]+?)\/?`/g)].map((match) => match[1]));
  const declared = LAYERS.flat().map(({ path }) =>
    path
      .split("/")
      .slice(0, path.startsWith("assembly/") ? 2 : 1)
      .join("/"),
  );
  const folders = [...new Set(declared)].filter((path) => !/^assembly\/(main|metric-list)\.ts$/.test(path));
  assert.deepEqual([...named].sort(), [...folders].sort());
  const rank = (path = "") => folders.indexOf(path);
  const rows = listed
    .slice(2)
    .map(([cell = ""]) => [...cell.matchAll(/`([\w./-]+?)\/?`/g)].map((match) => rank(match[1])));
  for (const [i, row] of rows.entries())
    for (const below of rows.slice(i + 1)) assert.ok(Math.max(...row) < Math.min(...below), listed[i + 2]?.[0]);
});
