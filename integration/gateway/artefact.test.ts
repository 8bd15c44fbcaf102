// The module as an OCI artefact: reproducible, complete, and refused after any change.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { artefactFiles, checkArtefact, ROOT, rebuild } from "../../envoy/artefact/oci.ts";
import { importedPackages } from "../../envoy/artefact/sbom.ts";
import { gzipStored, tar, untar } from "../../envoy/artefact/tar.ts";
import { MODULE } from "../../testkit/envoy/filter-envoy.ts";

const run = promisify(execFile);
const module = await readFile(MODULE);
const OTHER_MODULE = process.env.PILOTFISH_WASM ? "PILOTFISH_WASM names another module" : false;

test("the same module gives the same bytes", async () => {
  const one = await artefactFiles(module, "0.1.0");
  const two = await artefactFiles(module, "0.1.0");
  assert.deepEqual([...one.keys()], [...two.keys()]);
  for (const [name, bytes] of one) assert.ok(bytes.equals(two.get(name) as Buffer), name);
});

test("the same sources compile to the same bytes in any folder", { skip: OTHER_MODULE }, async () => {
  assert.ok((await rebuild()).equals(module));
});

test("no file of the artefact contains a time, a path or a name of the machine that made it", async () => {
  for (const [name, bytes] of await artefactFiles(module, "0.1.0")) {
    if (name.endsWith(".wasm") || /blobs|\.tar$/.test(name)) {
      assert.ok(!bytes.includes(ROOT), name);
      continue;
    }
    assert.doesNotMatch(bytes.toString(), /\d{4}-\d\d-\d\dT|\/home\/|\/root|\/tmp/, name);
  }
});

test("an artefact passes its own check, and one with a changed byte anywhere does not", async () => {
  const files = await artefactFiles(module, "0.1.0");
  const { sha256 } = await checkArtefact(files);
  assert.equal(sha256, createHash("sha256").update(module).digest("hex"));
  for (const [name, bytes] of files) {
    if (name.endsWith("oci-layout")) continue;
    const changed = Buffer.from(bytes);
    const at = changed.length >> 1;
    changed[at] = (changed[at] as number) ^ 1;
    await assert.rejects(checkArtefact(new Map([...files, [name, changed]])), Error, name);
    const missing = new Map(files);
    missing.delete(name);
    await assert.rejects(checkArtefact(missing), Error, `without ${name}`);
  }
});

test("a module that Envoy would refuse is refused", async () => {
  const empty = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  await assert.rejects(
    checkArtefact(await artefactFiles(empty, "0.1.0")),
    /exports no ABI version, expected proxy_abi/,
  );
});

test("the bill of materials lists every package that the filter's sources import, with the version of the lock", async () => {
  const files = await artefactFiles(module, "0.1.0");
  const bill = JSON.parse((files.get("pilotfish.cdx.json") as Buffer).toString()) as {
    components: { name: string; version: string; hashes: { content: string }[]; licenses: object[] }[];
  };
  const names = bill.components.map(({ name }) => name);
  for (const name of ["@solo-io/proxy-runtime", "assemblyscript", "json-as"]) assert.ok(names.includes(name), name);
  for (const { name, version, hashes, licenses } of bill.components) {
    assert.match(version, /^\d+\.\d+\.\d+/, name);
    assert.match(hashes[0]?.content ?? "", /^[0-9a-f]{128}$/, name);
    assert.equal(licenses.length, 1, name);
  }
});

test("the search for package imports finds each form of import and no relative import", () => {
  const source =
    'import { a } from "pkg";\nimport {\n  b,\n} from "@scope/pkg/deep/file";\nexport { c } from "./near";\n';
  assert.deepEqual(importedPackages(source), ["pkg", "@scope/pkg"]);
});

test("the system's tar and gzip unpack exactly what was packed", async () => {
  const big = Buffer.alloc(200_000, "pilotfish ");
  const archive = tar([
    { name: "plugin.wasm", bytes: big },
    { name: "empty", bytes: Buffer.alloc(0) },
  ]);
  assert.deepEqual(
    untar(archive).map(({ name, bytes }) => [name, bytes.length]),
    [
      ["plugin.wasm", 200_000],
      ["empty", 0],
    ],
  );
  for (const length of [0, 1, 65_535, 65_536, 131_070, 200_000])
    assert.ok(gunzipSync(gzipStored(big.subarray(0, length))).equals(big.subarray(0, length)), `${length} bytes`);
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-tar-"));
  try {
    await writeFile(join(folder, "a.tar.gz"), gzipStored(archive));
    const { stdout } = await run("tar", ["-tvzf", join(folder, "a.tar.gz")]);
    assert.match(stdout, /^-rw-r--r-- 0\/0 +200000 1970-01-01 \d\d:\d\d plugin\.wasm$/m);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
