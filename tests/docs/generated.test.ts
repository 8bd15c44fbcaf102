import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { generatedFiles } from "../../schemas/generate/files.ts";

test("every generated file is up to date (make docs writes them)", () => {
  for (const [path, text] of generatedFiles())
    assert.equal(existsSync(path) ? readFileSync(path, "utf8") : "", text, `${path}: run make docs`);
});
