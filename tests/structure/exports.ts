// Which names a file exports, which of another file's names it imports, and which exports nobody imports. Works on the text
// of TypeScript and AssemblyScript alike: all files are formatted by Biome, so a declaration begins at the start of a line.
import { resolveImport } from "./imports.ts";

/** File -> its text, for all files that may import each other. */
type Texts = ReadonlyMap<string, string>;

const DECLARED =
  /^export (?:declare )?(?:async )?(?:abstract )?(?:function\*?|const enum|const|let|class|interface|type|enum|namespace) (\w+)/gm;
const RENAMED = /^export (?:type )?\{([^}]*)\}/gm;
/** `import { a, b as c } from "./x.ts"` and the same with `export`; also `const { a } = await import(...)`. */
const NAMED =
  /^(?:import|export) (?:type )?\{([^}]*)\} from "(\.[^"]+)"|^\s*const \{([^}]*)\} = await import\("(\.[^"]+)"\)/gm;
const NAMESPACE = /^import (?:type )?\* as (\w+) from "(\.[^"]+)"/gm;
const ALL = /^export \* from "(\.[^"]+)"/gm;
const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;

/** The names of `{ a, type b as c }`: inside the braces of an import the first of a pair counts, of an export the last. */
function names(list: string, side: "first" | "last"): string[] {
  const parts = list.split(",").map((part) => part.trim().replace(/^type /, ""));
  return parts.filter(Boolean).map((part) => part.split(/ as |: /).at(side === "first" ? 0 : -1) as string);
}

export function exportedNames(text: string): string[] {
  const bare = text.replace(COMMENT, "");
  const renamed = [...bare.matchAll(RENAMED)].flatMap(([, list]) => names(list as string, "last"));
  return [...[...bare.matchAll(DECLARED)].map(([, name]) => name as string), ...renamed];
}

/** `file name` for each name that a file takes from another one. */
export function importedNames(file: string, text: string, texts: Texts): string[] {
  const found: string[] = [];
  const target = (path: string): string | undefined => resolveImport(file, path, texts);
  for (const [, list, path, dynamicList, dynamicPath] of text.matchAll(NAMED)) {
    const from = target(path ?? dynamicPath ?? "");
    for (const name of names(list ?? dynamicList ?? "", "first")) found.push(`${from} ${name}`);
  }
  for (const [, alias, path] of text.matchAll(NAMESPACE)) {
    for (const [, name] of text.matchAll(new RegExp(`(?<![\\w./])${alias}\\.(\\w+)`, "g")))
      found.push(`${target(path as string)} ${name}`);
  }
  for (const [, path] of text.matchAll(ALL)) {
    const from = target(path as string) as string;
    for (const name of exportedNames(texts.get(from) ?? "")) found.push(`${from} ${name}`);
  }
  return found;
}

/** `file: name` for each export that no other file imports. `excepted` says which files export to something else than files. */
export function unusedExports(texts: Texts, excepted: (file: string) => boolean): string[] {
  const imported = new Set([...texts].flatMap(([file, text]) => importedNames(file, text, texts)));
  const unused: string[] = [];
  for (const [file, text] of texts) {
    if (excepted(file)) continue;
    for (const name of exportedNames(text)) if (!imported.has(`${file} ${name}`)) unused.push(`${file}: ${name}`);
  }
  return unused;
}

const LOCAL = /^(?:@\w+(?:\([^)]*\))?\s*)?(?:function|const|let|class) (\w+)/gm;

/** Names that are declared at the top of a file, not exported, and never used in it: tsc reports these in TypeScript only. */
export function unusedLocals(text: string): string[] {
  const bare = text.replace(COMMENT, "");
  const declared = [...bare.matchAll(LOCAL)].map(([, name]) => name as string);
  return declared.filter((name) => [...bare.matchAll(new RegExp(`\\b${name}\\b`, "g"))].length === 1);
}
