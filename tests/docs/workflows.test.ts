// Checks the files that a forge reads: workflow files, issue forms, the package's metadata.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { actionlint } from "../../testkit/go/actionlint.ts";
import { GoBuildError } from "../../testkit/go/program.ts";

const WORKFLOWS = readdirSync(".github/workflows").map((name) => `.github/workflows/${name}`);
const FORMS = ".github/ISSUE_TEMPLATE";

test("actionlint finds nothing in the workflow files", async (t) => {
  let path: string;
  try {
    path = await actionlint();
  } catch (error) {
    if (error instanceof GoBuildError && error.code !== "GO_BUILD") return t.skip(error.message);
    throw error;
  }
  // actionlint would also use shellcheck and pyflakes where they are installed. Without them the result is the same everywhere.
  const run = spawnSync(path, ["-shellcheck=", "-pyflakes=", "-no-color", ...WORKFLOWS], { encoding: "utf8" });
  assert.equal(`${run.stdout}${run.stderr}`, "");
  assert.equal(run.status, 0);
});

test("every script that a workflow runs exists and is executable", () => {
  let found = 0;
  for (const file of WORKFLOWS) {
    const { jobs } = parse(readFileSync(file, "utf8")) as { jobs: Record<string, { steps?: { run?: string }[] }> };
    for (const step of Object.values(jobs).flatMap((job) => job.steps ?? [])) {
      const script = /^(\.ci\/\w+)$/.exec(step.run ?? "")?.[1];
      if (script === undefined) continue;
      found++;
      assert.ok(statSync(script).mode & 0o100, `${file}: ${script} is not executable`);
    }
  }
  assert.ok(found >= 2, "CI runs .ci/run, a release runs .ci/release");
});

test("each issue form has a name, a description and a body whose fields have an id of their own and a label", () => {
  const forms = readdirSync(FORMS).filter((name) => name !== "config.yml");
  assert.ok(forms.length >= 3);
  for (const name of forms) {
    const form = parse(readFileSync(`${FORMS}/${name}`, "utf8")) as {
      name?: string;
      description?: string;
      body?: { type: string; id?: string; attributes: { label?: string } }[];
    };
    assert.ok(form.name && form.description, name);
    const fields = (form.body ?? []).filter((field) => field.type !== "markdown");
    assert.ok(fields.length > 0, name);
    assert.equal(new Set(fields.map((field) => field.id)).size, fields.length, `${name}: each id once`);
    for (const field of fields) assert.ok(field.id && field.attributes.label, `${name}: ${JSON.stringify(field)}`);
  }
});

test("every file that package.json names exists, or a build writes it", () => {
  const manifest = JSON.parse(readFileSync("package.json", "utf8"));
  assert.equal(manifest.version, JSON.parse(readFileSync("package-lock.json", "utf8")).version);
  const named: string[] = [...manifest.files, ...Object.values(manifest.bin), ...exported(manifest.exports)];
  for (const file of named)
    assert.ok(file.replace("./", "").startsWith("build/") || file.includes("*") || existsSync(file), file);
});

/** The files of a package.json's `exports`, at any depth. */
function exported(node: unknown): string[] {
  if (typeof node === "string") return [node];
  return node && typeof node === "object" ? Object.values(node).flatMap(exported) : [];
}
