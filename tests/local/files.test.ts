import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AccessLog } from "../../envoy/local/access.ts";
import { isOlder } from "../../envoy/local/built-module.ts";
import { takeFolder } from "../../envoy/local/folder.ts";

let parent: string;
before(async () => {
  parent = await mkdtemp(join(tmpdir(), "pilotfish-local-"));
});
after(() => rm(parent, { recursive: true, force: true }));

const line = (pick: string | null, model = "m") =>
  `${JSON.stringify({ time: "", model, pick, reason: "", upstream: pick, status: 200, milliseconds: 1 })}\n`;

test("the access log is read across incomplete lines, and picks are counted by pod", async () => {
  const path = join(parent, "follow.log");
  const log = new AccessLog(path);
  await log.read();
  const text = Buffer.from(line("a", "mödel") + line("b") + line(null) + line("a"));
  // Cuts at every position, also inside a character.
  for (const byte of text) {
    await appendFile(path, Buffer.of(byte));
    await log.read();
  }
  await log.close();
  assert.deepEqual(Object.fromEntries(log.picks), { a: 2, b: 1 });
  assert.equal(log.last.length, 3);
  await new AccessLog(path).read();
});

test("a model's name stays intact if a read ends inside a character", async () => {
  const path = join(parent, "letters.log");
  const log = new AccessLog(path);
  const text = Buffer.from(line("a", "mödel"));
  const cut = text.indexOf("ö") + 1;
  await writeFile(path, text.subarray(0, cut));
  await log.read();
  await appendFile(path, text.subarray(cut));
  await log.read();
  await log.close();
  assert.equal(log.last[0]?.model, "mödel");
});

test("a large log is renamed without losing a line", async () => {
  const path = join(parent, "grown.log");
  await writeFile(path, line("a"));
  const log = new AccessLog(path);
  await log.read();
  await log.rotate(10_000, () => assert.fail("not grown yet"));
  await log.rotate(10, async () => {
    // Envoy writes to the old file until it has opened the new file.
    await appendFile(`${path}.1`, line("b"));
    await writeFile(path, line("c"));
  });
  await log.read();
  await log.close();
  assert.deepEqual(Object.fromEntries(log.picks), { a: 1, b: 1, c: 1 });
});

test("a second run uses a spare folder and removes it at the end", async () => {
  const first = await takeFolder(parent, process.pid);
  assert.equal(first.path, join(parent, "run"));
  assert.equal((await stat(first.path)).mode & 0o777, 0o700);
  await writeFile(first.file("envoy.log"), "first");
  const second = await takeFolder(parent, process.pid);
  assert.equal(second.path, join(parent, `run-${process.pid}`));
  await second.release(false);
  await assert.rejects(stat(second.path));
  await first.release(false);
  assert.equal(await readFile(first.file("envoy.log"), "utf8"), "first");
});

test("the folder of a killed run is reused and cleared", async () => {
  const folder = await takeFolder(parent, 2 ** 22 + 1);
  await writeFile(folder.file("access.log"), "old");
  const next = await takeFolder(parent, process.pid);
  assert.equal(next.path, folder.path);
  await assert.rejects(stat(next.file("access.log")));
  await next.release(false);
});

test("the filter is built when it is missing or older than one of its sources, and not otherwise", async () => {
  const built = join(parent, "built");
  const source = join(parent, "source");
  await writeFile(source, "");
  assert.equal(isOlder(built, [source]), true);
  await writeFile(built, "");
  await utimes(source, 1000, 1000);
  assert.equal(isOlder(built, [source]), false);
  await utimes(built, 500, 500);
  assert.equal(isOlder(built, [source]), true);
});
