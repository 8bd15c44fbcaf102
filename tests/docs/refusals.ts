// Reads the status and code of every refusal, such as `400 invalid_json`, from the filter's sources and from the reference page.
import { readFileSync } from "node:fs";
import { readDocument, tables, treeFiles } from "./markdown.ts";

export function refusalsInCode(): string[] {
  const constants = ["protocol/constants.ts", "protocol/readings/readings-constants.ts"]
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");
  const codes = new Map(
    [...constants.matchAll(/^export const (CODE_\w+) = "(\w+)"/gm)].map(([, name, code]) => [name, code]),
  );
  const found = new Set<string>();
  for (const file of treeFiles("assembly/filter")) {
    for (const [, call = ""] of readFileSync(file, "utf8").matchAll(
      /\b(?:sendError|sendBusy|refuse)\(((?:"[^"]*"|[^;{"])*)\);/g,
    )) {
      const status = /\b([45]\d\d)\b/.exec(call)?.[1];
      if (status === undefined) continue;
      // A name that ends in `_error` is an error's type, not its code.
      for (const [, code] of call.matchAll(/"(\w+_\w+|saturated)"/g))
        if (!code?.endsWith("_error")) found.add(`${status} ${code}`);
      for (const [name] of call.matchAll(/\bCODE_\w+/g)) found.add(`${status} ${codes.get(name)}`);
    }
  }
  return [...found].sort();
}

export function refusalsOnPage(): string[] {
  const rows = tables(readDocument("docs/reference/refusals.md")).flatMap((table) => table.slice(2));
  return rows.map(([status, code]) => `${status} ${code?.replaceAll("`", "")}`).sort();
}
