// Runs the commands of CONTRIBUTING.md that are marked with `tested`, without a change.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { readDocument } from "./markdown.ts";

const COMMANDS = readDocument("CONTRIBUTING.md")
  .fences.filter(({ language }) => language === "sh tested")
  .flatMap(({ text }) => text.trim().split("\n"));
/** Removes the variable that shows a test runner that another runner started it. */
const { NODE_TEST_CONTEXT, ...ENVIRONMENT } = process.env;

/** If the packages are older than the lock, `make` would replace them while other tests use them. So these tests skip then. */
const current = spawnSync("make", ["-q", "node_modules/.package-lock.json"]).status === 0;
const skip = current ? false : "the npm packages are older than package-lock.json; `make build` renews them";

describe("CONTRIBUTING.md:", { skip }, () => {
  for (const command of COMMANDS) {
    test(command, async () => {
      const { status, output } = await run(command);
      assert.equal(status, 0, output.slice(-3000));
      if (/\bmake (spec|test-file|watch)\b|--test\b/.test(command))
        assert.match(output, /[1-9]\d* pass|pass [1-9]/, output);
    });
  }
});

/** Ends a watch mode after its first run. */
async function run(command: string): Promise<{ status: number | null; output: string }> {
  const child = spawn("bash", ["-c", command], { env: ENVIRONMENT, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let output = "";
  let watched = false;
  const keep = (chunk: Buffer) => {
    output += chunk.toString();
    if (!command.startsWith("make watch") || watched || !/pass [1-9]/.test(output)) return;
    watched = true;
    process.kill(-(child.pid as number), "SIGTERM");
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const status = await new Promise<number | null>((done) => child.on("close", done));
  return { status: watched ? 0 : status, output };
}
