// The names that a file exports, the names that it imports from other files, and the exports that no file imports. It reads the text
// of TypeScript and AssemblyScript. Biome formats all files, so a declaration begins at the start of a line.
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

/** The names in `{ a, type b as c }`. Of a pair, an import takes the first name and an export has the last. */
function names(list: string, side: "first" | "last"): string[] {
  const parts = list.split(",").map((part) => part.trim().replace(/^type /, ""));
  return parts.filter(Boolean).map((part) => part.split(/ as |: /).at(side === "first" ? 0 : -1) as string);
}

export function exportedNames(text: string): string[] {
  const bare = text.replace(COMMENT, "");
  const renamed = [...bare.matchAll(RENAMED)].flatMap(([, list]) => names(list as string, "last"));
  return [...[...bare.matchAll(DECLARED)].map(([, name]) => name as string), ...renamed];
}

/** `file name` for each name that a file imports from another file. */
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

/** `file: name` for each export that no other file imports. Files for which `excepted` is true are left out. */
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

/** Top-level names of a file that are neither exported nor used. tsc reports these in TypeScript only. */
export function unusedLocals(text: string): string[] {
  const bare = text.replace(COMMENT, "");
  const declared = [...bare.matchAll(LOCAL)].map(([, name]) => name as string);
  return declared.filter((name) => [...bare.matchAll(new RegExp(`\\b${name}\\b`, "g"))].length === 1);
}
