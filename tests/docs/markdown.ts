// Reads the parts of a Markdown document that the checks need: headings, links, code spans, fenced blocks, tables, commands.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface Fence {
  language: string;
  text: string;
}

export interface Document {
  /** Path from the root of the repository. */
  path: string;
  text: string;
  /** The document's lines without the fenced blocks. */
  prose: string[];
  fences: Fence[];
  /** The anchors that a forge makes from the headings. */
  anchors: Set<string>;
}

const SKIPPED = new Set(["node_modules", "build", ".git", ".cache"]);
/** Benches write these pages: one page per run, with the figures of that run. */
const RESULTS = /^bench\/results\/\w[\w-]*-\d{4}-/;

/** Paths of all files of the repository, from the root. */
export function treeFiles(folder = "."): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? treeFiles(path) : entry.isFile() ? [path] : [];
  });
}

export function documents(files = treeFiles()): Document[] {
  return files.filter((path) => path.endsWith(".md") && !RESULTS.test(path)).map(readDocument);
}

export function readDocument(path: string): Document {
  return parseDocument(path, readFileSync(path, "utf8"));
}

export function parseDocument(path: string, text: string): Document {
  const document: Document = { path, text, prose: [], fences: [], anchors: new Set() };
  let fence: Fence | undefined;
  for (const line of text.split("\n")) {
    const mark = /^\s*```(.*)$/.exec(line);
    if (mark && fence) fence = undefined;
    else if (mark) {
      fence = { language: mark[1]?.trim() ?? "", text: "" };
      document.fences.push(fence);
    } else if (fence) fence.text += `${line}\n`;
    else document.prose.push(line);
  }
  for (const line of document.prose) {
    const heading = /^#{1,6} (.+)$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const slug = slugOf(heading);
    let anchor = slug;
    for (let i = 1; document.anchors.has(anchor); i++) anchor = `${slug}-${i}`;
    document.anchors.add(anchor);
  }
  return document;
}

/** Makes an anchor as GitHub does: lower case, without punctuation, with hyphens for blanks. */
function slugOf(heading: string): string {
  return heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-");
}

/** Targets of links and images. */
export function links({ prose }: Document): string[] {
  return [...withoutSpans(prose).matchAll(/\]\(([^()\s]+)(?: "[^"]*")?\)/g)].map((match) => match[1] ?? "");
}

/** Code between backticks. */
export function spans({ prose }: Document): string[] {
  return [...prose.join("\n").matchAll(/`([^`\n]+)`/g)].map((match) => (match[1] ?? "").replaceAll("\\|", "|"));
}

function withoutSpans(prose: readonly string[]): string {
  return prose.join("\n").replaceAll(/`[^`\n]*`/g, "``");
}

/** Tables, as rows of cells; the first two rows are the head and the rule below it. */
export function tables({ prose }: Document): string[][][] {
  const found: string[][][] = [];
  let table: string[][] | undefined;
  for (const line of prose) {
    if (!/^\s*\|.*\|\s*$/.test(line)) {
      table = undefined;
      continue;
    }
    if (!table) {
      table = [];
      found.push(table);
    }
    const cells = line
      .trim()
      .slice(1, -1)
      .replaceAll("\\|", "\0")
      .replaceAll(/`[^`]*`/g, (code) => code.replaceAll("|", "\0"));
    table.push(cells.split("|").map((cell) => cell.trim().replaceAll("\0", "|")));
  }
  return found;
}

const SHELL = new Set(["", "sh", "bash", "shell", "console"]);

/** Commands of fenced blocks and of code spans, each as its words, without assignments of variables before the command. */
export function commands(document: Document): string[][] {
  const lines = document.fences
    .filter(({ language }) => SHELL.has(language.split(" ")[0] ?? ""))
    .flatMap(({ language, text }) => {
      const joined = text.replaceAll("\\\n", " ").split("\n");
      return language === "console"
        ? joined.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2))
        : joined;
    });
  return [...lines, ...spans(document)].flatMap((line) =>
    line
      .replace(/^\$ /, "")
      .replace(/\s#\s.*$/, "")
      .split(/\s*(?:&&|\|\||;|\||\s&$)\s*/)
      .map((command) => command.trim().split(/\s+/))
      .map((words) => {
        let first = 0;
        while (/^[A-Z_]+=/.test(words[first] ?? "") || ["nice", "export", "exec"].includes(words[first] ?? "")) first++;
        return words.slice(first);
      })
      .filter((words) => (words[0] ?? "") !== ""),
  );
}
