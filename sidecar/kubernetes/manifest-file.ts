// The objects of one file of manifests.
import { type ClusterObject, identityOf } from "./cluster-objects.ts";
import { documentItems, titleOfContent } from "./documents.ts";
import { translate } from "./translate/index.ts";

export interface ManifestFile {
  /** By identity; of two objects with one identity, the later one. */
  objects: Map<string, ClusterObject>;
  /** Titles of objects with a mistake: their last good state stays in use. */
  kept: string[];
  /** A document cannot be read, so the file's objects are not all known. */
  torn: boolean;
  /** "document 2, items[3], Pod default/a: spec.x: got ..., expected ..." */
  problems: string[];
  /** The same for objects that Pilotfish does not use. */
  unused: string[];
}

/** `json`: the file is JSON, by its name. */
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
