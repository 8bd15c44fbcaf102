// The secrets of push.secretFile are read again after a change, and are tried one after the other.
import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Secrets } from "../../../sidecar/credentials/secrets.ts";
import { createLog } from "../../../sidecar/log.ts";
import { SECRET, startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { QUICK_PUSH, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "pilotfish-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("a changed secret file is read again; while a secret is replaced, both work", async (t) => {
  const pod = await startPod();
  const [first, second] = await Promise.all([startFilter(), startFilter()]);
  for (const server of [pod, first, second]) t.after(() => server.close());
  const file = join(folder(t), "secret");
  const mount = (content: string) => {
    // A mounted Secret changes by a rename.
    writeFileSync(`${file}.new`, content);
    renameSync(`${file}.new`, file);
  };
  mount(`${SECRET}\n`);
  const push = { ...QUICK_PUSH, targets: [first.url, second.url], secretFile: file };
  const lines: string[] = [];
  const log = Object.assign(createLog("silent"), { info: (_: object, text: string) => void lines.push(text) });
  await quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push }, parts: { log: log as never } });
  await until("both", () => first.answers.length > 3 && second.answers.length > 3);
  mount(`next-secret\n${SECRET}\n`);
  await until("the file to be read again", () => lines.includes("secrets read again"));
  second.secret = "next-secret";
  const at = second.answers.length;
  await until("the new secret at the second", () => second.answers.slice(at).filter((one) => one === 200).length > 3);
  first.secret = "next-secret";
  const then = first.answers.length;
  await until("the new secret at the first", () => first.answers.slice(then).filter((one) => one === 200).length > 3);
  // Each change costs at most one refused try per Envoy, and the next try uses the other secret.
  const refused = [...first.answers, ...second.answers].filter((one) => one === 401).length;
  assert.ok(refused <= 4, `${refused} refused`);
});

test("while the secret file is empty or broken, the last secrets stay in use, and its content is never logged", (t) => {
  const file = join(folder(t), "secret");
  writeFileSync(file, "one\n\n two \n");
  const lines: unknown[] = [];
  const keep = (detail: unknown, message: string) => void lines.push(detail, message);
  const log = Object.assign(createLog("silent"), { warn: keep, info: keep }) as never;
  const secrets = new Secrets([], file, log);
  t.after(() => secrets.close());
  assert.deepEqual(secrets.inTurn(undefined), ["one", "two"]);
  assert.deepEqual(secrets.inTurn("two"), ["two", "one"]);
  assert.deepEqual(secrets.inTurn("gone"), ["one", "two"]);
  for (const content of ["", "\n", "hunter2 with blanks", "a\nb\nc\nd\ne"]) {
    writeFileSync(file, content);
    secrets.look();
    assert.deepEqual(secrets.inTurn(undefined), ["one", "two"], JSON.stringify(content));
  }
  assert.doesNotMatch(JSON.stringify(lines), /hunter2/);
  assert.throws(() => new Secrets([], `${file}-none`, log), /push\.secretFile: got ".*-none", expected/);
});
