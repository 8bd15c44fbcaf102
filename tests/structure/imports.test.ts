// Checks the structure of the code: imports lead in one declared direction, and folders and files are small.
import { deepEqual, equal, match, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { cycles, type Graph, importsOf, layerOf, pathTo, readGraph, sources, wrongWay } from "./imports.ts";
import { HOST, LAYERS } from "./layers.ts";

const MAX_FILES_OF_A_FOLDER = 20;
const MAX_LINES_OF_A_FILE = 400;

const files = sources(".");
const graph = readGraph(".", files);

test("no file imports itself, directly or through other files", () => {
  deepEqual(cycles(graph), []);
});

test("each import leads to its own layer or to a row that is declared above", () => {
  deepEqual(wrongWay(graph, LAYERS), []);
});

test("no import leads from a pure folder to the host", () => {
  const pure = files.filter((file) => layerOf(file, LAYERS)?.pure);
  equal(pure.length > 50, true);
  deepEqual(
    pure.flatMap((file) => pathTo(graph, file, HOST)?.join(" -> ") ?? []),
    [],
  );
});

test("the SDK is imported by the host alone", () => {
  const importers = files.filter((file) => /from "@solo-io\//.test(readFileSync(file, "utf8")));
  deepEqual(
    importers.filter((file) => !file.startsWith(HOST)),
    [],
  );
});

test("a folder has at most 20 sources", () => {
  const counts = new Map<string, number>();
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  deepEqual(
    [...counts].filter(([, count]) => count > MAX_FILES_OF_A_FOLDER),
    [],
  );
});

test("a source has at most 400 lines", () => {
  const lines = (file: string): number => readFileSync(file, "utf8").split("\n").length - 1;
  deepEqual(
    files.filter((file) => lines(file) > MAX_LINES_OF_A_FILE),
    [],
  );
});

test("the filter exports no variable that may change", () => {
  const filter = files.filter((file) => file.startsWith("assembly/"));
  deepEqual(
    filter.filter((file) => /^export let /m.test(readFileSync(file, "utf8"))),
    [],
  );
});

test("these checks see a reversed import, a cycle and a way to the host", () => {
  const reversed = readGraph(".", files) as Map<string, readonly string[]>;
  reversed.set("assembly/base/random.ts", ["assembly/host/calls.ts"]);
  match(wrongWay(reversed, LAYERS).join(), /assembly\/base\/random\.ts -> assembly\/host\/calls\.ts/);
  reversed.set("bench/scan.ts", ["integration/gateway/main.ts"]);
  match(wrongWay(reversed, LAYERS).join(), /bench\/scan\.ts -> integration\/gateway\/main\.ts/);
  match(pathTo(reversed, "assembly/base/random.ts", HOST)?.join() ?? "", /random\.ts,assembly\/host\/calls\.ts/);
  const circle: Graph = new Map([
    ["a", ["b"]],
    ["b", ["c"]],
    ["c", ["a"]],
  ]);
  deepEqual(cycles(circle), ["a -> b -> c -> a"]);
  deepEqual(
    importsOf("x/a.ts", 'import type { B } from "./b.ts";\nexport { C } from "../c.ts";', new Set(["x/b.ts", "c.ts"])),
    ["x/b.ts", "c.ts"],
  );
  throws(() => importsOf("a.ts", 'import "./lost.ts";', new Set()), /leads to no file/);
});
