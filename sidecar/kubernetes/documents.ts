// Splits a file into objects. The file is JSON, or YAML with any number of documents. A document is an object or a List of
// objects.
import { LineCounter, parseAllDocuments } from "yaml";

/** Maximum of YAML aliases in one document, since aliases can expand without bound. */
const MAX_ALIASES = 100;

type DocumentItem =
  /** `where`: the position in the file, such as "document 2, items[3]". */
  | { where: string; content: unknown }
  /** The document cannot be read, so its objects are unknown. */
  | { where: string; problem: string };

/**
 * Returns the items of a file, without empty documents. `json`: the file is JSON, by the end of its name. The JSON parser is
 * faster and stricter.
 */
export function* documentItems(text: string, json: boolean): Iterable<DocumentItem> {
  for (const document of json ? jsonDocument(text) : yamlDocuments(text)) {
    if ("problem" in document) yield document;
    else yield* itemsOf(document.where, document.content);
  }
}

function* jsonDocument(text: string): Iterable<DocumentItem> {
  const where = "document 1";
  try {
    yield { where, content: JSON.parse(text) as unknown };
  } catch (error) {
    yield { where, problem: (error as Error).message };
  }
}

function* yamlDocuments(text: string): Iterable<DocumentItem> {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  for (const [i, document] of [...documents].entries()) {
    const where = `document ${i + 1}`;
    const error = document.errors[0];
    if (error !== undefined) {
      const { line, col } = lines.linePos(error.pos[0]);
      yield { where, problem: `line ${line}, column ${col}: ${error.message}` };
      continue;
    }
    try {
      yield { where, content: document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown };
    } catch (thrown) {
      yield { where, problem: (thrown as Error).message };
    }
  }
}

/** Returns the items of a document. A document between two `---` may be empty, or only a comment. */
function* itemsOf(where: string, content: unknown): Iterable<DocumentItem> {
  if (content === null || content === undefined) return;
  if (!isList(content)) yield { where, content };
  else for (const [i, item] of content.items.entries()) yield* itemsOf(`${where}, items[${i}]`, item);
}

/** Whether the content is a List, or a list of one kind that the API server writes, such as PodList. */
function isList(content: unknown): content is { items: unknown[] } {
  const { kind, items } = content as { kind?: unknown; items?: unknown };
  return typeof kind === "string" && kind.endsWith("List") && Array.isArray(items);
}

/** Returns a title such as "Pod default/a". The content may be anything. */
export function titleOfContent(content: unknown): string {
  const { kind, metadata } = content as { kind?: unknown; metadata?: { namespace?: unknown; name?: unknown } | null };
  if (typeof kind !== "string" || typeof metadata?.name !== "string") return "an object without a name";
  return `${kind.slice(0, 63)} ${String(metadata.namespace ?? "default").slice(0, 63)}/${metadata.name.slice(0, 253)}`;
}
