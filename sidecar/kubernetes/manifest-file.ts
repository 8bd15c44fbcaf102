// A file of manifests: YAML of any number of documents, or JSON; each an object or a List of objects.
import { LineCounter, parseAllDocuments } from "yaml";
import { type ClusterObject, identityOf } from "./cluster-objects.ts";
import { translate } from "./translate/index.ts";

export interface FileRead {
  objects: Map<string, ClusterObject>;
  /** Titles of objects that are there but not understood; the last good ones stay. */
  kept: string[];
  /** Something in the file is no document at all, so that nobody knows what it held. */
  torn: boolean;
  /** "document 2, items[3], Pod default/a: spec.x: got ..., expected ..." */
  problems: string[];
  /** The same for what is not used. */
  unused: string[];
}

interface Doc {
  where: string;
  content: unknown;
}

/** `json` by the file's name: its parser is faster and stricter. */
export function readManifests(text: string, json: boolean): FileRead {
  const read: FileRead = { objects: new Map(), kept: [], torn: false, problems: [], unused: [] };
  for (const { where, content } of json ? jsonDocument(text, read) : yamlDocuments(text, read))
    take(where, content, read);
  return read;
}

function* jsonDocument(text: string, read: FileRead): Iterable<Doc> {
  try {
    yield { where: "document 1", content: JSON.parse(text) as unknown };
  } catch (error) {
    read.torn = true;
    read.problems.push(`document 1: ${(error as Error).message}`);
  }
}

function* yamlDocuments(text: string, read: FileRead): Iterable<Doc> {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  for (const [i, document] of [...documents].entries()) {
    const where = `document ${i + 1}`;
    const error = document.errors[0];
    if (error !== undefined) {
      const { line, col } = lines.linePos(error.pos[0]);
      read.torn = true;
      read.problems.push(`${where}: line ${line}, column ${col}: ${error.message}`);
      continue;
    }
    try {
      yield { where, content: document.toJS({ maxAliasCount: 100 }) as unknown };
    } catch (thrown) {
      read.torn = true;
      read.problems.push(`${where}: ${(thrown as Error).message}`);
    }
  }
}

function take(where: string, content: unknown, read: FileRead): void {
  // Between two `---` there may be nothing, or only a comment.
  if (content === null || content === undefined) return;
  if (isList(content)) {
    for (const [i, item] of content.items.entries()) take(`${where}, items[${i}]`, item, read);
    return;
  }
  const translated = translate(content);
  if ("object" in translated) {
    const identity = identityOf(translated.object);
    if (read.objects.has(identity))
      read.problems.push(`${where}, ${title(content)}: a second one of this name; it counts`);
    read.objects.set(identity, translated.object);
  } else if ("unused" in translated) {
    read.unused.push(`${where}: ${translated.unused}`);
  } else {
    read.kept.push(title(content));
    for (const problem of translated.problems) read.problems.push(`${where}, ${title(content)}: ${problem}`);
  }
}

/** `kind: List`, and the lists of one kind that the API prints, such as PodList. */
function isList(content: unknown): content is { items: unknown[] } {
  const { kind, items } = content as { kind?: unknown; items?: unknown };
  return typeof kind === "string" && kind.endsWith("List") && Array.isArray(items);
}

function title(content: unknown): string {
  const { kind, metadata } = content as { kind?: unknown; metadata?: { namespace?: unknown; name?: unknown } | null };
  if (typeof kind !== "string" || typeof metadata?.name !== "string") return "an object without a name";
  return `${kind.slice(0, 63)} ${String(metadata.namespace ?? "default").slice(0, 63)}/${metadata.name.slice(0, 253)}`;
}
