import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { generatedFiles } from "../../schemas/generate/files.ts";
import { filterMetrics } from "../../schemas/generate/metrics.ts";

test("generated files are what the code gives (to write them: make docs)", async () => {
  for (const [path, text] of await generatedFiles())
    assert.equal(existsSync(path) ? readFileSync(path, "utf8") : "", text, `${path}: run make docs`);
});

test("every metric of the filter has a sentence", () => {
  const text = readFileSync("assembly/stats.ts", "utf8");
  assert.equal(filterMetrics().length, [...text.matchAll(/^ {2}define\(/gm)].length);
});
