// The JSON Schemas of both programs' configurations, as they ship (`pilotfish schema`).
import { existsSync, readFileSync } from "node:fs";

/** From the sources, and from build/sidecar/sidecar/config/ in an installed package. */
const FOLDERS = ["../../schemas/", "../../../../schemas/"];

/** The schema of `filter` or `sidecar`; undefined for another word. */
export function jsonSchema(program: string): string | undefined {
  if (program !== "filter" && program !== "sidecar") return undefined;
  const file = FOLDERS.map((folder) => new URL(`${folder}${program}.schema.json`, import.meta.url)).find(existsSync);
  if (file === undefined) throw new Error(`${program}.schema.json: expected in schemas/ of this installation`);
  return readFileSync(file, "utf8");
}
