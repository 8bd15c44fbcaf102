// The example in emulator/README.md runs unchanged.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { release } from "../../testkit/filter/release.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const file = `${root}build/emulator-example-${process.pid}.ts`;
after(() => rmSync(file, { force: true }));

test("the example sends a request through the filter and gets its response", () => {
  assert.ok(release, "the module is built");
  const [, example = ""] = /```ts\n([\s\S]*?)```/.exec(readFileSync(`${root}emulator/README.md`, "utf8")) ?? [];
  const shown = `${example}console.log(outcome.action, stream.responseOutcome.status);\n`;
  writeFileSync(file, shown.replace('"./emulator/index.ts"', '"../emulator/index.ts"'));
  const printed = execFileSync(process.execPath, ["--import", "tsx", file], { cwd: root, encoding: "utf8" });
  assert.equal(printed, "continue 200\n");
});
