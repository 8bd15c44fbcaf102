// Reads the JSON Schemas that ship with the package, for `pilotfish schema`: the filter's and the sidecar's.
import { existsSync, readFileSync } from "node:fs";

/** Paths to schemas/ from this file in the sources, and from build/sidecar/sidecar/config/ in an installed package. */
const FOLDERS = ["../../schemas/", "../../../../schemas/"];

/** Returns the schema of `filter` or `sidecar`; undefined: the word is neither. */
export function jsonSchema(program: string): string | undefined {
  if (program !== "filter" && program !== "sidecar") return undefined;
  const file = FOLDERS.map((folder) => new URL(`${folder}${program}.schema.json`, import.meta.url)).find(existsSync);
  if (file === undefined) throw new Error(`${program}.schema.json: expected in schemas/ of this installation`);
  return readFileSync(file, "utf8");
}
