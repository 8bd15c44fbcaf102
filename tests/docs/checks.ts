// Finds what is wrong with a document, and returns sentences. Each check compares the names in the document with the repository.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { parse } from "yaml";
import { commands, type Document, documents, links, readDocument, spans, tables, treeFiles } from "./markdown.ts";

const SOURCE = "ts|mjs|js|json|md|yaml|yml|sh|html|png|svg|wasm|bin|toml";
/** Files that commands of the documents write. */
const WRITTEN = /^(build|bench\/results)\//;

/** Names that stand for a kind of file, not for one file. */
const KINDS = new Set(["kustomization.yaml", "index.ts"]);

const files = treeFiles();
const root = new Set(readdirSync("."));
const makefile = readFileSync("Makefile", "utf8");
const targets = new Set([...makefile.matchAll(/^([a-z][a-z-]*):/gm)].map((match) => match[1] ?? ""));

/** Relative links lead to files, and their anchors to headings. */
function wrongLinks(document: Document): string[] {
  return links(document).flatMap((target) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [file = "", anchor] = target.split("#");
    const path = file === "" ? document.path : normalize(join(dirname(document.path), file));
    if (!existsSync(path)) return [`link to ${target}: no such file`];
    if (anchor === undefined) return [];
    return readDocument(path).anchors.has(anchor) ? [] : [`link to ${target}: no such heading`];
  });
}

/**
 * Paths in code spans begin at the root of the repository, so that a reader can open them. The README of a folder of code may name
 * that folder's files without the folder.
 */
function wrongPaths(document: Document): string[] {
  const home = dirname(document.path);
  // Drawings name files too.
  const drawn = document.fences.filter(({ language }) => language === "").flatMap(({ text }) => text.split(/\s+/));
  const words = drawn.filter((word) => /^[a-z][\w-]*(\/[\w.-]+)+\.ts$/.test(word));
  return [...spans(document), ...words].flatMap((span) => {
    if (!/^[\w.@*[\]-]+(\/[\w.@*-]*)*$/.test(span) || /^\.[a-z]+$/.test(span)) return [];
    // A key of a list's entries, such as plugins[].json.
    if (span.includes("[].")) return [];
    const inTree = span.includes("/") && root.has(span.split("/")[0] ?? "");
    if (!inTree && !new RegExp(`\\.(${SOURCE})$`).test(span)) return [];
    const found = isThere(span) || (!home.startsWith("docs") && isThere(join(home, span)));
    return found || WRITTEN.test(span) || KINDS.has(span) ? [] : [`path \`${span}\`: not found from the root`];
  });
}

function isThere(path: string): boolean {
  if (!path.includes("*")) return existsSync(path);
  const pattern = path
    .replaceAll(".", "\\.")
    .replaceAll("**/", "(.+/)?")
    .replaceAll(/\*(?!\))/g, "[^/]*");
  return files.some((file) => new RegExp(`^${pattern}$`).test(file));
}

/** Make targets, scripts and their flags. */
function wrongCommands(document: Document): string[] {
  return commands(document).flatMap((words) => {
    const [command = "", ...rest] = words;
    if (command === "make") return wrongTarget(rest);
    if (command === "pilotfish") return wrongFlags(words.join(" "), "sidecar/main.ts", rest);
    if (!/^(npx|node|tsx|node_modules\/.*)$/.test(command)) return [];
    const at = words.findIndex((word) => /\.(ts|mjs|js|sh)$/.test(word));
    const script = words[at];
    if (script === undefined || script.includes("…") || /^[A-Z]+/.test(script)) return [];
    if (!isThere(script)) return [`command \`${words.join(" ")}\`: ${script} does not exist`];
    if (words.includes("--test") || script.startsWith("node_modules/")) return [];
    return wrongFlags(words.join(" "), script, words.slice(at + 1));
  });
}

function wrongTarget(words: readonly string[]): string[] {
  const target = words.find((word) => !word.startsWith("-") && !word.includes("="));
  if (target === undefined || target === "…") return [];
  if (!targets.has(target) && !target.endsWith("-…")) return [`make ${target}: no such target`];
  const file = words.find((word) => word.startsWith("FILE="))?.slice("FILE=".length);
  if (file !== undefined && !existsSync(file)) return [`make ${words.join(" ")}: ${file} does not exist`];
  const recipe = new RegExp(`^${target}:.*\\n((?:\\t.*\\n)+)`, "m").exec(makefile)?.[1] ?? "";
  const script = /([\w./-]+\.ts)/.exec(recipe)?.[1];
  const passed = /ARGS="([^"]*)"/.exec(words.join(" "))?.[1];
  return script && passed ? wrongFlags(`make ${words.join(" ")}`, script, passed.split(" ")) : [];
}

/** A flag must occur in the script or in a file beside the script: as `--flag`, or as an option's name for parseArgs. */
function wrongFlags(command: string, script: string, words: readonly string[]): string[] {
  const flags = words.filter((word) => /^--[a-z]/.test(word)).map((word) => word.slice(2).split("=")[0] ?? "");
  if (flags.length === 0) return [];
  const folder = `${dirname(script)}/`;
  const text = files
    .filter((file) => file.startsWith(folder) && file.endsWith(".ts"))
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");
  return flags
    .filter((flag) => flag !== "help" && !new RegExp(`--${flag}\\b|"${flag}"|\\b${flag}: \\{`).test(text))
    .map((flag) => `command \`${command}\`: ${script} has no flag --${flag}`);
}

/** Rows of the generated tables of one page, by their first cell. */
function rows(page: string): string[] {
  return tables(readDocument(page)).flatMap((table) =>
    table.slice(2).map((cells) => (cells[0] ?? "").replaceAll("`", "")),
  );
}

const filterKeys = rows("docs/reference/filter-configuration.md");
const sidecarKeys = rows("docs/reference/sidecar-configuration.md");
const keys = [...filterKeys, ...sidecarKeys];
const sections = new Set(keys.filter((key) => key.includes(".")).map((key) => key.split(".")[0] ?? ""));
const metrics = rows("docs/reference/metrics.md");

/** A dotted name is a configuration key if its first part is a section of a configuration. */
function wrongKeys(document: Document): string[] {
  // The changelog also names keys that no longer exist, so this check leaves the changelog out.
  if (document.path === "CHANGELOG.md") return [];
  return spans(document).flatMap((span) => {
    const name = /^([a-z]+(?:\.[a-zA-Z]+)+)(?:: .*)?$/.exec(span)?.[1];
    if (name === undefined || !sections.has(name.split(".")[0] ?? "")) return [];
    if (new RegExp(`\\.(${SOURCE})$`).test(name)) return [];
    const known = keys.some((key) => key === name || key.startsWith(`${name}.`));
    return known ? [] : [`configuration key \`${name}\`: in neither table of docs/reference/`];
  });
}

/** Examples of configurations are valid and have known keys. JSON is the filter's configuration, YAML the sidecar's. */
function wrongExamples(document: Document): string[] {
  const json = spans(document).filter((span) => filterKeys.some((key) => span.startsWith(`{"${key.split(".")[0]}": `)));
  const examples = [
    ...json.map((text) => ({ text, known: filterKeys })),
    ...document.fences.flatMap(({ language, text }) =>
      language === "json" ? [{ text, known: filterKeys }] : language === "yaml" ? [{ text, known: sidecarKeys }] : [],
    ),
  ];
  return examples.flatMap(({ text, known }) => {
    let value: unknown;
    try {
      // The reader fills in what `…` stands for.
      value = known === filterKeys ? JSON.parse(text.replaceAll("…", "")) : parse(text);
    } catch (error) {
      return [`example ${text.slice(0, 60)}: ${(error as Error).message}`];
    }
    const top = Object.keys(value as object);
    // Manifests and Envoy's configuration have other keys.
    if (!top.every((key) => known.some((row) => row === key || row.startsWith(`${key}.`)))) return [];
    return keyPaths(value, "")
      .filter((path) => !known.some((row) => row === path || row.startsWith(`${path}.`) || path.startsWith(`${row}.`)))
      .map((path) => `example: no configuration has the key ${path}`);
  });
}

function keyPaths(value: unknown, at: string): string[] {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const path = at === "" ? key : `${at}.${key}`;
    return [path, ...keyPaths(inner, path)];
  });
}

/** Names that begin with `pilotfish_` are metrics; `*` stands for any rest. */
function wrongMetrics(document: Document): string[] {
  return spans(document).flatMap((span) => {
    const name = /^(pilotfish_[a-z_*]+)(\{.*\})?$/.exec(span)?.[1];
    if (name === undefined || name.startsWith("pilotfish_place_")) return [];
    const known = metrics.some(
      (metric) => metric === name || (name.endsWith("*") && metric.startsWith(name.slice(0, -1))),
    );
    return known ? [] : [`metric \`${name}\`: not in docs/reference/metrics.md`];
  });
}

/** Each row of a table has as many cells as the head of the table. */
function wrongTables(document: Document): string[] {
  return tables(document).flatMap((table) => {
    const width = table[0]?.length ?? 0;
    return table
      .filter((row) => row.length !== width)
      .map((row) => `table row | ${row.join(" | ")} |: ${row.length} cells, its head has ${width}`);
  });
}

export const CHECKS = [wrongLinks, wrongPaths, wrongCommands, wrongKeys, wrongExamples, wrongMetrics, wrongTables];

/** Checks the paths `docs/….md` and other documents that sources name. */
export function wrongMentions(): string[] {
  return files
    .filter((file) => /\.(ts|yaml|yml|sh|html)$/.test(file) && !file.startsWith("tests/docs/"))
    .flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/(?<![\w/.-])((?:docs|protocol|simulator|envoy|bench)\/[\w/-]+\.md)\b/g)]
        .map((match) => match[1] ?? "")
        .filter((path) => !existsSync(path) && !WRITTEN.test(path))
        .map((path) => `${file}: ${path} does not exist`),
    );
}

export function allDocuments(): Document[] {
  return documents(files);
}
