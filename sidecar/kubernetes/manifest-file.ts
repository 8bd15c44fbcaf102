// Reads one file of manifests into objects and problems.
import { type ClusterObject, identityOf } from "./cluster-objects.ts";
import { documentItems, titleOfContent } from "./documents.ts";
import { translate } from "./translate/index.ts";

export interface ManifestFile {
  /** The objects by identity. Of two objects with one identity, the later one counts. */
  objects: Map<string, ClusterObject>;
  /** Titles of objects with a mistake: their last good state stays in use. */
  kept: string[];
  /** Whether a document cannot be read, so that some of the file's objects are unknown. */
  torn: boolean;
  /** Lines such as "document 2, items[3], Pod default/a: spec.x: got ..., expected ...". */
  problems: string[];
  /** A line for each object that Pilotfish does not use. */
  unused: string[];
}

/** Reads the text of a file. `json`: the file is JSON, by the end of its name. */
export function readManifests(text: string, json: boolean): ManifestFile {
  const read: ManifestFile = { objects: new Map(), kept: [], torn: false, problems: [], unused: [] };
  for (const item of documentItems(text, json)) {
    if ("content" in item) {
      add(item.where, item.content, read);
    } else {
      read.torn = true;
      read.problems.push(`${item.where}: ${item.problem}`);
    }
  }
  return read;
}

function add(where: string, content: unknown, read: ManifestFile): void {
  const title = titleOfContent(content);
  const translated = translate(content);
  if ("object" in translated) {
    const identity = identityOf(translated.object);
    if (read.objects.has(identity)) {
      read.problems.push(`${where}, ${title}: a second object of this name replaces the first`);
    }
    read.objects.set(identity, translated.object);
  } else if ("unused" in translated) {
    read.unused.push(`${where}: ${translated.unused}`);
  } else {
    read.kept.push(title);
    for (const problem of translated.problems) read.problems.push(`${where}, ${title}: ${problem}`);
  }
}
