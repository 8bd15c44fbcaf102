// Writes protocol/fixtures. A second run changes no byte; a test checks this. Run it with:
//   npx tsx protocol/fixture-sources/generate-fixtures.ts
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { decodeSnapshot } from "../decode.ts";
import { ruleCode } from "../rules.ts";
import type { SnapshotView } from "../snapshot.ts";
import { goldenBytes } from "./golden.ts";
import { malformedSet } from "./malformed.ts";

export const FIXTURES = fileURLToPath(new URL("../fixtures/", import.meta.url));

/** A view as JSON. Each endpoint and model has a line, so that a diff shows each change as a line. 64-bit numbers are strings. */
export function describe(view: SnapshotView): string {
  const lines = (items: readonly object[]) => `[${items.map((item) => `\n    ${JSON.stringify(item)}`).join(",")}\n  ]`;
  const text = (value: object) =>
    JSON.stringify(value, (_key, one) => (typeof one === "bigint" ? String(one) : one)).replaceAll("},{", "},\n    {");
  const listed = (["pools", "objectives", "rules", "places", "policies", "tokenizers"] as const).flatMap((key) =>
    view[key] === undefined ? [] : `,\n  "${key}": ${lines(view[key])}`,
  );
  const more = [
    ...listed,
    view.complete === undefined ? "" : `,\n  "complete": ${view.complete}`,
    view.remote === undefined ? "" : `,\n  "remote": ${text(view.remote)}`,
    view.prefixes === undefined ? "" : `,\n  "prefixes": ${text(view.prefixes)}`,
    view.cached === undefined ? "" : `,\n  "cached": ${text(view.cached)}`,
  ];
  return `{
  "version": "${view.version}",
  "source": "${view.source}",
  "endpoints": ${lines(view.endpoints)},
  "models": ${lines(view.models)}${more.join("")}
}
`;
}

/** Maps each path under fixtures/ to its content. */
export function fixtureFiles(): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const [name, bytes] of goldenBytes()) {
    files.set(`${name}.snapshot.bin`, bytes);
    files.set(`${name}.json`, Buffer.from(describe(decodeSnapshot(bytes))));
  }
  const malformed = malformedSet();
  for (const { name, bytes } of malformed) files.set(`malformed/${name}.snapshot.bin`, bytes);
  const index = malformed.map(({ name, rule, wrong, field }) => {
    return { file: `${name}.snapshot.bin`, rule, code: ruleCode(rule), wrong, field };
  });
  files.set("malformed/index.json", Buffer.from(`${JSON.stringify(index, null, 2)}\n`));
  return files;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  rmSync(FIXTURES, { recursive: true, force: true });
  mkdirSync(`${FIXTURES}malformed`, { recursive: true });
  const files = fixtureFiles();
  for (const [path, bytes] of files) writeFileSync(FIXTURES + path, bytes);
  console.log(`${files.size} files in ${FIXTURES}`);
}
