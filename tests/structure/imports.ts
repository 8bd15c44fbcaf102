// The graph of all imports between the project's files, which imports.test.ts checks.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { posix } from "node:path";
import type { Layer } from "./layers.ts";

/** File -> the project's files that it imports. Paths are relative to the root, with forward slashes. */
export type Graph = ReadonlyMap<string, readonly string[]>;

/** The files that may be imported: a set, or a map with the files as keys. */
type Known = Pick<ReadonlySet<string>, "has">;

/** `import ... from "x"`, `export ... from "x"`, `import "x"`, `import("x")`; types count as well. */
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^;"'`]*?from\s*"(\.[^"]+)"|(?:^|\n)\s*import\s*"(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"/g;

/** The sources that git tracks, and untracked sources that git does not ignore. */
export function sources(root: string): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "*.ts"];
  const known = execFileSync("git", args, { cwd: root, encoding: "utf8" }).split("\0").filter(Boolean);
  const removed = execFileSync("git", ["ls-files", "--deleted", "-z"], { cwd: root, encoding: "utf8" }).split("\0");
  return [...new Set(known)].filter((file) => !removed.includes(file)).sort();
}

/** Throws for an import that leads to no file. */
export function readGraph(root: string, files: readonly string[] = sources(root)): Graph {
  const known = new Set(files);
  return new Map(files.map((file) => [file, importsOf(file, readFileSync(posix.join(root, file), "utf8"), known)]));
}

export function importsOf(file: string, text: string, known: Known): string[] {
  const specifiers = [...text.matchAll(IMPORT)].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? "");
  return specifiers.map((specifier) => resolveImport(file, specifier, known));
}

/** The file that `specifier` means in `file`. AssemblyScript leaves the ending out. */
export function resolveImport(file: string, specifier: string, known: Known): string {
  const target = posix.join(posix.dirname(file), specifier);
  const resolved = [target, `${target}.ts`].find((path) => known.has(path));
  if (!resolved) throw new Error(`${file}: the import of ${target} leads to no file`);
  return resolved;
}

type Rows = readonly (readonly Layer[])[];

export function layerOf(file: string, rows: Rows): Layer | undefined {
  return rows
    .flat()
    .filter(({ path }) => file === path || file.startsWith(`${path}/`))
    .sort((a, b) => b.path.length - a.path.length)[0];
}

/** `a -> b` for each import that leads to a row below the importing file's, or to another layer of its row. */
export function wrongWay(graph: Graph, rows: Rows): string[] {
  const rowOf = (layer: Layer): number => rows.findIndex((row) => row.includes(layer));
  const wrong: string[] = [];
  for (const [file, imports] of graph) {
    const from = layerOf(file, rows);
    if (!from) {
      wrong.push(`${file} is in no layer`);
      continue;
    }
    for (const target of imports) {
      const to = layerOf(target, rows);
      if (to && to !== from && rowOf(to) >= rowOf(from)) wrong.push(`${file} -> ${target}`);
    }
  }
  return wrong;
}

/** One path `a -> b -> a` for each group of files that import each other. */
export function cycles(graph: Graph): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      found.push([...path.slice(at), file].join(" -> "));
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

/** The shortest path of imports from a file to a folder; undefined when there is none. */
export function pathTo(graph: Graph, file: string, folder: string): string[] | undefined {
  const before = new Map<string, string | undefined>([[file, undefined]]);
  for (const at of before.keys()) {
    if (at.startsWith(folder)) {
      const path: string[] = [];
      for (let step: string | undefined = at; step; step = before.get(step)) path.unshift(step);
      return path;
    }
    for (const next of graph.get(at) ?? []) if (!before.has(next)) before.set(next, at);
  }
  return undefined;
}
